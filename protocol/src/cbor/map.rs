//! Structs as CBOR maps with small integer keys, declared the way the CDDL declares them.

/// Declares a struct whose CBOR form is a map with unsigned integer keys, in ascending order.
/// A field written `name [?]` is optional and absent when `None`. Unknown keys are refused, but for the
/// negative ones of a struct declared `ignoring vendor keys`. What `checked by` names looks at fields that
/// depend on each other.
#[macro_export]
macro_rules! int_map {
    (
        $(#[$doc:meta])*
        pub struct $name:ident $(ignoring $vendor:ident keys)? $(checked by $check:path)? {
            $($(#[$field_doc:meta])* $key:literal => $field:ident $([$optional:tt])? : $type:ty,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $crate::int_map!(@type $($optional)? $type),)+
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                let present = 0 $(+ usize::from($crate::int_map!(@present $($optional)? self.$field)))+;
                let mut map = s.serialize_map(Some(present))?;
                $($crate::int_map!(@put map, $key, $($optional)? self.$field);)+
                map.end()
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Fields;
                impl<'de> serde::de::Visitor<'de> for Fields {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("the map of ", stringify!($name)))
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<$name, A::Error> {
                        use serde::de::Error;
                        $(let mut $field: Option<$type> = None;)+
                        while let Some(key) = map.next_key::<$crate::int_map!(@key $($vendor)?)>()? {
                            match key {
                                $($key => $field = Some(map.next_value()?),)+
                                other => $crate::int_map!(@other $($vendor)? map, other),
                            }
                        }
                        let whole = $name {
                            $($field: $crate::int_map!(@take $($optional)? $field, $key)?,)+
                        };
                        $($check(&whole).map_err(A::Error::custom)?;)?
                        Ok(whole)
                    }
                }
                d.deserialize_map(Fields)
            }
        }
    };
    (@key) => { u64 };
    (@key vendor) => { i64 };
    (@other $map:ident, $key:ident) => {
        return Err(A::Error::custom(format_args!("unknown key {}", $key)))
    };
    (@other vendor $map:ident, $key:ident) => {
        if $key < 0 {
            $map.next_value::<serde::de::IgnoredAny>()?;
        } else {
            return Err(A::Error::custom(format_args!("unknown key {}", $key)))
        }
    };
    (@type ? $type:ty) => { Option<$type> };
    (@type $type:ty) => { $type };
    (@present $self:ident . $field:ident) => { true };
    (@present ? $self:ident . $field:ident) => { $self.$field.is_some() };
    (@put $map:ident, $key:literal, $self:ident . $field:ident) => {
        $map.serialize_entry(&($key as u64), &$self.$field)?
    };
    (@put $map:ident, $key:literal, ? $self:ident . $field:ident) => {
        if let Some(value) = &$self.$field {
            $map.serialize_entry(&($key as u64), value)?;
        }
    };
    (@take $field:ident, $key:literal) => {
        $field.ok_or_else(|| {
            A::Error::custom(concat!("missing key ", stringify!($key), " (", stringify!($field), ")"))
        })
    };
    (@take ? $field:ident, $key:literal) => { Ok::<_, A::Error>($field) };
}
