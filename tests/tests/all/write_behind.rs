//! Write-behind: nothing lost, reordered, resurrected or doubled.

mod crash;
mod dead_letters;
mod flushing;
mod journals;
mod outages;
mod reading;
mod refused;
mod rows;
mod stops;
mod world;

use world::World;
