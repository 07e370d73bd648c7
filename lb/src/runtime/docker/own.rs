//! The container that the balancer itself runs in, if any.

use bollard::models::ContainerInspectResponse;

use super::engine::Engine;

/// Files that an engine mounts into each container from a directory named after the container's id.
const FILES: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// The balancer's own container; `None` outside a container of this engine.
pub(super) async fn container(engine: &Engine) -> Option<ContainerInspectResponse> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // An engine that does not have this id is not the one that runs the container.
    engine.inspect(id(&mounts)?).await.ok()
}

/// The id of the own container, from `/proc/self/mountinfo`.
fn id(mounts: &str) -> Option<&str> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let id = root.split("/containers/").nth(1)?.split('/').next()?;
        let is_id = id.len() == 64 && id.chars().all(|c| c.is_ascii_hexdigit());
        (FILES.contains(&point) && is_id).then_some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_read_only_from_mounts_of_the_containers_own_files() {
        let (own, other) = ("0123456789abcdef".repeat(4), "f".repeat(64));
        let mounts = format!(
            "99 98 8:1 /lib/docker/containers/{other}/mounts/shm /host/run/x rw - tmpfs shm rw\n\
             100 99 0:50 / /proc rw - proc proc rw\n\
             101 99 8:1 /var/lib/docker/containers/{own}/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda1 rw\n\
             102 99 8:1 /var/lib/docker/containers/{own}/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"
        );
        assert_eq!(id(&mounts), Some(own.as_str()));
        assert_eq!(id("1 0 8:1 / / rw - ext4 x rw\n2 1 8:1 /containers/x/y /etc/hosts rw\n"), None);
    }
}
