//! Everything that generated code names. No promise is made about any of it.

mod background;
mod batch;
mod call;
mod companion;
mod invalidating;
mod probe;
mod putting;
mod result;
mod site;
mod source;
mod stale;
mod template;
mod value;

pub use async_trait;
pub use inventory;
pub use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, ModelTrait, Value};

pub use self::{
    background::{Again, Background, BackgroundCall, Keep, refreshing, refreshing_once},
    batch::{BatchMap, invalidate_many, once, peek_many, run_many},
    call::{Call, Scope, at_hand, run},
    companion::{invalidate_entry, key_text, peek},
    invalidating::invalidating,
    probe::{Probe, expiry, presence, refusal, sharing, written},
    putting::{IntoEntry, PutSlot, putting, write_through},
    result::{IsResult, condition, require_result, wire},
    site::{Place, Site, SiteRegistration},
    source::{CacheHandle, CacheSource, Source, default_source, generic_source},
    stale::{Stale, TakesStale, index_target, row_target, table_target},
    template::{KeyTemplate, TagTemplate, constant, encode_key, part, type_name},
    value::{index_value, key_value},
};
pub use crate::{
    engine::call::{Deps, Function},
    error::Error,
    key::KeyText,
    orm::{
        deps::{index_dep, row_dep, table_dep},
        registry::{CachedEntity, Cascade, EntityRegistration},
        through::WriteThrough,
    },
    policy::{Consistency, PolicyOverride, TierChoice},
};

/// What `#[cache_hooks]` adds.
pub mod hooks {
    pub use crate::orm::hooks::{after_delete, after_save, before_delete, before_save};
}

/// The codecs by the names of the macros' argument; one whose feature is off is not there.
pub mod codecs {
    use crate::policy::CodecKind;

    /// `codec = "messagepack"`
    pub const MESSAGE_PACK: CodecKind = CodecKind::MessagePack;
    /// `codec = "json"`
    #[cfg(feature = "codec-json")]
    pub const JSON: CodecKind = CodecKind::Json;
    /// `codec = "postcard"`
    #[cfg(feature = "codec-postcard")]
    pub const POSTCARD: CodecKind = CodecKind::Postcard;
}
