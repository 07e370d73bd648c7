//! The program as a whole: the contract, start, shutdown, a balancer in another program.

mod contract;
mod embedded;
mod shutdown;
mod start;
