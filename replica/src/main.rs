//! `replica`: one replica that listens on `$PORT` and has the name `$SERVER_ID`.

fn main() -> std::process::ExitCode {
    replica::cli::main()
}
