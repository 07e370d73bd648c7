//! Metrics of the process, from /proc; a metric whose source cannot be read is omitted.

use procfs::WithCurrentSystemInfo;
use procfs::process::Process;

use super::exposition::Exposition;

pub fn expose(exposition: &mut Exposition) {
    let Ok(process) = Process::myself() else { return };
    if let Ok(stat) = process.stat() {
        let ticks = procfs::ticks_per_second() as f64;
        let cpu = (stat.utime + stat.stime) as f64 / ticks;
        exposition.counters("lb_process_cpu_seconds_total", "CPU time of the balancer.").sum(&[], cpu);
        let resident = stat.rss_bytes().get() as f64;
        exposition.gauge("lb_process_resident_memory_bytes", "Resident memory of the balancer.", resident);
        exposition.gauge("lb_process_threads", "Threads of the balancer.", stat.num_threads as f64);
        if let Ok(booted) = procfs::boot_time_secs() {
            let started = booted as f64 + stat.starttime as f64 / ticks;
            exposition.gauge(
                "lb_process_start_time_seconds",
                "Start time of the balancer, in seconds since the Unix epoch.",
                started,
            );
        }
    }
    if let Ok(open) = process.fd_count() {
        exposition.gauge("lb_process_open_fds", "Open file descriptors of the balancer.", open as f64);
    }
    if let Ok(limits) = process.limits()
        && let procfs::process::LimitValue::Value(max) = limits.max_open_files.soft_limit
    {
        exposition.gauge("lb_process_max_fds", "Limit of open file descriptors of the balancer.", max as f64);
    }
}
