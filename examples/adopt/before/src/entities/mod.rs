//! The tables of the shop.

pub mod category;
pub mod product;
pub mod purchase;

pub use category::Entity as Category;
pub use product::Entity as Product;
pub use purchase::Entity as Purchase;
