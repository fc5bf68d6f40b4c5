//! The names that generated files use. Owns nothing else but the copies that `into_owned` makes.

pub(crate) use std::borrow::Cow;

pub(crate) use crate::error::{field_not_in_version, null_field};
pub(crate) use crate::message::message;
pub(crate) use crate::{
    DecodeError, EncodeError, ErrorCode, Reader, Records, Request, Response, Uuid, Writer,
};

pub(crate) fn own_string(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

pub(crate) fn own_bytes(bytes: Cow<'_, [u8]>) -> Cow<'static, [u8]> {
    Cow::Owned(bytes.into_owned())
}

pub(crate) fn own_strings(list: Vec<Cow<'_, str>>) -> Vec<Cow<'static, str>> {
    list.into_iter().map(own_string).collect()
}
