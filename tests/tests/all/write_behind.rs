//! Write-behind: nothing lost, reordered, resurrected or doubled.

mod dead_letters;
mod flushing;
mod journals;
mod reading;
mod refused;
mod rows;
mod world;

use world::World;
