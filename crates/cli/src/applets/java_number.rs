//! Numbers as Java prints them.
//!
//! Owns nothing else.

/// `Double.toString`: a decimal fraction from 10^-3 on and below 10^7, else scientific.
pub fn java_double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() };
    }
    let size = number.abs();
    if number == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}

/// `Float.toString`, which has the same bounds.
pub fn java_float(number: f32) -> String {
    let size = number.abs();
    if number.is_finite() && number != 0.0 && !(1e-3..1e7).contains(&size) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let point = if digits.contains('.') { "" } else { ".0" };
        return format!("{digits}{point}E{exponent}");
    }
    if number.is_finite() { format!("{number:?}") } else { java_double(f64::from(number)) }
}

#[cfg(test)]
mod tests;
