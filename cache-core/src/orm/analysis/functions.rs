//! The databases' own functions, which read no table and write none.

/// Whether a function is one of the three databases' own. Other functions may do anything.
pub(super) fn is_builtin(name: &str) -> bool {
    BUILTIN.binary_search(&name).is_ok() || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Families too large to list.
const PREFIXES: &[&str] = &["json_", "jsonb_", "pg_", "regexp_", "st_"];

/// Sorted (a test says so).
#[rustfmt::skip]
const BUILTIN: &[&str] = &[
    "abs", "acos", "acosh", "addtime", "age", "aggregate_strings", "any_value", "array_agg", "array_append",
    "array_cat", "array_length", "array_position", "array_prepend", "array_remove", "array_to_json",
    "array_to_string", "ascii", "asin", "asinh", "atan", "atan2", "atanh", "avg", "bin", "bin_to_uuid", "bit_and",
    "bit_count", "bit_length", "bit_or", "bit_xor", "bool_and", "bool_or", "btrim", "cardinality", "cast", "cbrt",
    "ceil", "ceiling", "changes", "char", "char_length", "character_length", "chr", "clock_timestamp", "coalesce",
    "col_description", "collation", "concat", "concat_ws", "connection_id", "conv", "convert", "convert_from",
    "convert_to", "convert_tz", "cos", "cosh", "cot", "count", "crc32", "cume_dist", "curdate", "current_catalog",
    "current_database", "current_date", "current_role", "current_schema", "current_schemas", "current_setting",
    "current_time", "current_timestamp", "current_user", "currval", "curtime", "database", "date", "date_add",
    "date_bin", "date_format", "date_part", "date_sub", "date_trunc", "datediff", "datetime", "day", "dayname",
    "dayofmonth", "dayofweek", "dayofyear", "decode", "degrees", "dense_rank", "digest", "div", "elt", "encode",
    "enum_first", "enum_last", "enum_range", "every", "exists", "exp", "extract", "field", "find_in_set",
    "first_value", "floor", "format", "format_type", "found_rows", "from_base64", "from_days", "from_unixtime", "gcd",
    "gen_random_bytes", "gen_random_uuid", "generate_series", "generate_subscripts", "get_lock", "glob", "greatest",
    "group_concat", "grouping", "has_schema_privilege", "has_table_privilege", "hex", "hour", "if", "ifnull", "iif",
    "inet6_aton", "inet6_ntoa", "inet_aton", "inet_ntoa", "initcap", "insert", "instr", "interval", "is_uuid",
    "isfinite", "isnull", "julianday", "justify_days", "justify_hours", "justify_interval", "lag", "last_day",
    "last_insert_id", "last_insert_rowid", "last_value", "lastval", "lcase", "lcm", "lead", "least", "left", "length",
    "like", "likelihood", "likely", "ln", "load_file", "localtime", "localtimestamp", "locate", "log", "log10",
    "log2", "lower", "lpad", "ltrim", "make_date", "make_interval", "make_time", "make_timestamp", "make_timestamptz",
    "makedate", "maketime", "match", "max", "md5", "microsecond", "mid", "min", "minute", "mod", "mode", "month",
    "monthname", "name_const", "nextval", "now", "nth_value", "ntile", "nullif", "num_nonnulls", "num_nulls",
    "numnode", "obj_description", "oct", "octet_length", "ord", "overlay", "percent_rank", "percentile_cont",
    "percentile_disc", "period_add", "period_diff", "phraseto_tsquery", "pi", "plainto_tsquery", "position", "pow",
    "power", "printf", "quarter", "quote", "quote_ident", "quote_literal", "quote_nullable", "radians", "rand",
    "random", "random_bytes", "randomblob", "rank", "regclass", "regr_slope", "release_lock", "repeat", "replace",
    "reverse", "right", "round", "row", "row_count", "row_number", "row_to_json", "rpad", "rtrim", "scale", "schema",
    "sec_to_time", "second", "session_user", "set_config", "set_masklen", "setseed", "setval", "setweight", "sha1",
    "sha2", "sha224", "sha256", "sha384", "sha512", "sign", "similarity", "sin", "sinh", "sleep", "soundex", "space",
    "split_part", "sqlite_compileoption_get", "sqlite_source_id", "sqlite_version", "sqrt", "starts_with",
    "statement_timestamp", "std", "stddev", "stddev_pop", "stddev_samp", "str_to_date", "strcmp", "strftime",
    "string_agg", "string_to_array", "strpos", "subdate", "substr", "substring", "substring_index", "subtime", "sum",
    "sysdate", "tan", "tanh", "time", "time_format", "time_to_sec", "timediff", "timeofday", "timestamp",
    "timestampadd", "timestampdiff", "to_ascii", "to_base64", "to_char", "to_date", "to_days", "to_hex", "to_json",
    "to_jsonb", "to_number", "to_regclass", "to_seconds", "to_timestamp", "to_tsquery", "to_tsvector", "total",
    "total_changes", "transaction_timestamp", "translate", "trim", "trim_array", "trunc", "truncate", "ts_headline",
    "ts_rank", "ts_rank_cd", "txid_current", "typeof", "ucase", "unhex", "unicode", "unistr", "unix_timestamp",
    "unixepoch", "unlikely", "unnest", "upper", "user", "utc_date", "utc_time", "utc_timestamp", "uuid",
    "uuid_generate_v1", "uuid_generate_v4", "uuid_short", "uuid_to_bin", "uuidv4", "uuidv7", "values", "var_pop",
    "var_samp", "variance", "version", "week", "weekday", "weekofyear", "weight_string", "width_bucket",
    "word_similarity", "year", "yearweek", "zeroblob",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_for_the_search() {
        for (one, two) in BUILTIN.iter().zip(BUILTIN.iter().skip(1)) {
            assert!(one < two, "{one} before {two}");
        }
    }

    #[test]
    fn a_function_of_the_application_is_not_builtin() {
        assert!(is_builtin("count") && is_builtin("json_extract") && is_builtin("yearweek"));
        assert!(!is_builtin("close_account") && !is_builtin("dblink_exec") && !is_builtin("lo_unlink"));
    }
}
