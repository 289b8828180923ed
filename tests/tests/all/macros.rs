//! The macros: every form through a real SQLite, and every mistake through the compiler.

mod companions;
mod forms;
mod hooks;
mod invalidates;
mod methods;
mod sources;

mod world;
