//! The macros: every form through a real SQLite, and every mistake through the compiler.

mod at_hand;
mod batch;
mod companions;
mod counted;
mod early;
mod forms;
mod hooks;
mod invalidates;
mod methods;
mod sources;

mod world;
