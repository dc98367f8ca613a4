//! The words of JSON Schema 2020-12 that hold other schemas, and how what they hold is applied.

/// How the schemas that a word holds are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Applies {
    /// Only where a reference leads to them.
    Never,
    /// To the same value.
    InPlace,
    /// To the same value, to be false of it.
    Negated,
    /// To the member of the same name.
    Named,
    /// To members with a matching name.
    Matching,
    /// To members that no other word names.
    Additional,
    /// To the names of members.
    Names,
    /// To the element at the same place.
    Placed,
    /// To all other elements.
    Items,
    /// To elements or members, besides what else is applied to them.
    Beside,
}

/// What a word holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// One schema.
    One,
    /// A list of them.
    List,
    /// An object of them.
    Map,
}

/// Every word that holds schemas.
pub(super) const HOLDERS: &[(&str, Holds, Applies)] = &[
    ("$defs", Holds::Map, Applies::Never),
    ("definitions", Holds::Map, Applies::Never),
    ("contentSchema", Holds::One, Applies::Never),
    ("allOf", Holds::List, Applies::InPlace),
    ("anyOf", Holds::List, Applies::InPlace),
    ("oneOf", Holds::List, Applies::InPlace),
    ("if", Holds::One, Applies::InPlace),
    ("then", Holds::One, Applies::InPlace),
    ("else", Holds::One, Applies::InPlace),
    ("dependentSchemas", Holds::Map, Applies::InPlace),
    ("not", Holds::One, Applies::Negated),
    ("properties", Holds::Map, Applies::Named),
    ("patternProperties", Holds::Map, Applies::Matching),
    ("additionalProperties", Holds::One, Applies::Additional),
    ("propertyNames", Holds::One, Applies::Names),
    ("prefixItems", Holds::List, Applies::Placed),
    ("items", Holds::One, Applies::Items),
    ("contains", Holds::One, Applies::Beside),
    ("unevaluatedItems", Holds::One, Applies::Beside),
    ("unevaluatedProperties", Holds::One, Applies::Beside),
];

/// Words that would lead out of the schema, or make it mean another thing from elsewhere.
pub(super) const REFUSED: &[&str] = &[
    "$id",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$vocabulary",
    "dependencies",
];

/// The dialect, as `$schema` may name it.
pub(super) const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
