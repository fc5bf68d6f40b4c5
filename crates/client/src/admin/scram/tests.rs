//! The salted password of the examples in RFC 5802's successors.

use super::*;

/// RFC 7677, section 3: user `user`, password `pencil`, 4096 iterations. The server key there follows from this value.
#[test]
fn passwords_are_salted_as_the_standard_says() {
    let salt =
        [0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81];
    let salted = ScramMechanism::Sha256.salted_password(b"pencil", &salt, 4096);
    let mut mac = Hmac::<Sha256>::new_from_slice(&salted).expect("any length");
    mac.update(b"Server Key");
    let server_key = mac.finalize().into_bytes();
    let auth = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let mut mac = Hmac::<Sha256>::new_from_slice(&server_key).expect("any length");
    mac.update(auth.as_bytes());
    let signature = mac.finalize().into_bytes();
    // v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=
    let expected = [
        0xea, 0xba, 0xe2, 0x4d, 0x10, 0x62, 0xdb, 0x75, 0xa9, 0x45, 0x1f, 0xf0, 0xb6, 0xea, 0x7e, 0x98, 0xc8,
        0x54, 0x65, 0x49, 0xff, 0x74, 0x1e, 0x67, 0x2d, 0x32, 0x51, 0xb2, 0x39, 0x7d, 0xe4, 0x6e,
    ];
    assert_eq!(signature[..], expected);
}

#[test]
fn sizes_are_those_of_the_hash() {
    assert_eq!(ScramMechanism::Sha256.salted_password(b"p", b"s", 1).len(), 32);
    assert_eq!(ScramMechanism::Sha512.salted_password(b"p", b"s", 2).len(), 64);
    assert_eq!(ScramMechanism::from_name("SCRAM-SHA-512"), Some(ScramMechanism::Sha512));
    assert_eq!(ScramMechanism::from_name("PLAIN"), None);
}
