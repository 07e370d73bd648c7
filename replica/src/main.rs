//! `replica`: one replica on `$PORT` that calls itself `$SERVER_ID`.

fn main() -> std::process::ExitCode {
    replica::cli::main()
}
