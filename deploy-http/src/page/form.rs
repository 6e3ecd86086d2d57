//! What a form sends: its fields, once it has proved that it is one of ours.

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde::de::value::StringDeserializer;
use serde::{Deserialize, Deserializer};

use super::session::secret;
use crate::access::Caller;
use crate::api::Api;
use crate::extract::{is_form, limited_body};
use crate::problem::Problem;

/// The fields of a form. Of this module only this and [`super::sent`] read a body, so no form is accepted that
/// does not hold what only its own page could know.
pub(super) struct FormOf<T>(pub(super) T);

#[derive(Deserialize)]
struct Proof {
    #[serde(default)]
    form: String,
}

impl<T: DeserializeOwned> FromRequest<Api> for FormOf<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let caller = request.extensions().get::<Caller>().cloned();
        let bytes = limited_body(request, api.limits(), is_form).await?;
        let wrong = |error: serde_urlencoded::de::Error| Problem::bad_request(error.to_string());
        let proof: Proof = serde_urlencoded::from_bytes(&bytes).map_err(wrong)?;
        prove(caller.as_ref(), &proof.form)?;
        Ok(Self(serde_urlencoded::from_bytes(&bytes).map_err(wrong)?))
    }
}

/// Lets a form pass that holds what only its own page could know.
pub(super) fn prove(caller: Option<&Caller>, form: &str) -> Result<(), Problem> {
    if !form.is_empty() && caller.is_some_and(|caller| caller.form().is(form)) {
        return Ok(());
    }
    let (title, hint) = ("This form is too old, or not ours", "open the page again, then send it again");
    Err(Problem::new(StatusCode::FORBIDDEN, "form_refused", title, hint))
}

/// A key that makes a form that is sent twice mean one deployment. Without randomness there is none, and
/// nothing protects against a double click.
pub(super) fn fresh_key() -> String {
    secret().map(|key| format!("page-{key}")).unwrap_or_default()
}

/// A field that forms send empty when nothing was chosen.
pub(super) fn unless_empty<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    T::deserialize(StringDeserializer::<D::Error>::new(text)).map(Some)
}
