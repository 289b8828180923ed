//! The tables of the social network.

pub mod celebrity;
pub mod favourite;
pub mod follow;
pub mod member;
pub mod network;
pub mod tally;
pub mod tweet;

pub use celebrity::Entity as Celebrity;
pub use favourite::Entity as Favourite;
pub use follow::Entity as Follow;
pub use member::Entity as Member;
pub use network::Entity as Network;
pub use tally::Entity as Tally;
pub use tweet::Entity as Tweet;
