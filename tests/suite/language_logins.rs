//! Logins of the check language: codes, challenges and tokens, held against the standards' examples and against libraries
//! that nobody here wrote.

use std::process::Command;

use quorate::domain::FailureKind;

use super::language::{SCRIPT, SITE, assert_fails, assert_passes, assert_true, assert_wrong, run_with};
use super::python;
use super::servers::{Server, respond};

// ---- TOTP ----

/// The key of RFC 4226 and RFC 6238 for SHA-1, and RFC 6238's (with its errata) for SHA-256 and SHA-512, in Base32.
const SHA1_KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const SHA256_KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA";
const SHA512_KEY: &str =
    "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNA";

#[tokio::test]
async fn totp_codes_are_those_of_rfc_4226_and_rfc_6238() {
    let hotp = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
    let mut cases: Vec<String> = hotp
        .iter()
        .enumerate()
        .map(|(counter, code)| format!(r#"totp("{SHA1_KEY}", #{{ at: {} }}) == "{code}""#, counter * 30))
        .collect();
    let totp = [
        (59, "94287082", "46119246", "90693936"),
        (1_111_111_109, "07081804", "68084774", "25091201"),
        (1_111_111_111, "14050471", "67062674", "99943326"),
        (1_234_567_890, "89005924", "91819424", "93441116"),
        (2_000_000_000, "69279037", "90698825", "38618901"),
        (20_000_000_000_i64, "65353130", "77737706", "47863826"),
    ];
    for (at, sha1, sha256, sha512) in totp {
        for (key, algorithm, code) in
            [(SHA1_KEY, "SHA1", sha1), (SHA256_KEY, "SHA256", sha256), (SHA512_KEY, "SHA512", sha512)]
        {
            cases.push(format!(r#"totp("{key}", #{{ at: {at}, digits: 8, algorithm: "{algorithm}" }}) == "{code}""#));
        }
    }
    cases.push(r#"totp("gezd gnbv-gy3t qojq GEZD gnbv gy3t qojq====", #{ at: 59 }) == "287082""#.to_owned());
    let uri =
        format!("otpauth://totp/Example:ada?secret={SHA256_KEY}&issuer=Example&algorithm=SHA256&digits=8&period=30");
    cases.push(format!(r#"totp("{uri}", #{{ at: 59 }}) == "46119246""#));
    cases.push(format!(r#"totp("{uri}", #{{ at: 59, digits: 6 }}) == "119246""#));
    cases.push(format!(r#"totp("{SHA1_KEY}", #{{ at: 119, period: 60 }}) == "287082""#));
    let cases: Vec<&str> = cases.iter().map(String::as_str).collect();
    assert_true("", &cases).await;
}

#[tokio::test]
async fn totp_codes_of_this_moment_are_those_that_pyotp_accepts() {
    let python = python::interpreter_with("pyotp==2.9.0");
    let secret = "JBSWY3DPEHPK3PXP";
    let server = Server::start(move |request, stream| {
        let script = "import pyotp, sys; print(pyotp.TOTP(sys.argv[1]).verify(sys.argv[2], valid_window=1))";
        let code = request.body.trim_start_matches("code=");
        let output = Command::new(&python).args(["-c", script, secret, code]).output().expect("python runs");
        let verdict = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        respond(stream, if verdict == "True" { 200 } else { 401 }, &[], &verdict);
    });
    let source = r#"
        expect_status(post_form("/", #{ code: totp(secret("seed")) }), 200);
        expect_status(post_form("/", #{ code: totp(secret("seed"), #{ at: now() - 3600 }) }), 401);
    "#;
    assert_passes(&run_with(source, server.url(), &[], &[("seed", secret)]).await);
}

#[tokio::test]
async fn what_is_wrong_with_a_totp_secret_is_said_without_it() {
    let cases = [
        (r#"totp("JBSWY3DPEHPK3PX1")"#, SCRIPT, "the TOTP secret is no Base32 (letters and the digits 2 to 7)"),
        (r#"totp("")"#, SCRIPT, "the TOTP secret is no Base32"),
        (r#"totp("otpauth://hotp/x?secret=GEZDGNBV")"#, SCRIPT, "its codes do not go by the time (totp)"),
        (r#"totp("otpauth://totp/x")"#, SCRIPT, "the otpauth URI cannot be used: it has no secret"),
        (r#"totp("GEZDGNBV", #{ digits: 9 })"#, SCRIPT, "the option 'digits' must be 6, 7 or 8"),
        (r#"totp("GEZDGNBV", #{ period: 0 })"#, SCRIPT, "the option 'period' must be 1 to 3600 seconds"),
        (
            r#"totp("GEZDGNBV", #{ algorithm: "MD5" })"#,
            SCRIPT,
            "the option 'algorithm' must be SHA1, SHA256 or SHA512",
        ),
        (
            r#"totp("GEZDGNBV", #{ length: 6 })"#,
            SCRIPT,
            "unknown option 'length': there are digits, period, algorithm and at",
        ),
        (r#"totp("GEZDGNBV", #{ at: -1 })"#, SCRIPT, "the option 'at' must be seconds since 1970"),
    ];
    assert_wrong("", &cases).await;
}

// ---- OAuth 2 ----

#[tokio::test]
async fn pkce_is_that_of_rfc_7636() {
    let cases = [
        r#"pkce("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM""#,
        r#"pkce().method == "S256" && pkce().verifier.matches("^[A-Za-z0-9_-]{43}$") && pkce().verifier != pkce().verifier"#,
        r#"base64url(sha256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "bytes")) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM""#,
    ];
    assert_true("", &cases).await;
    let cases = [(r#"pkce("short")"#, SCRIPT, "a PKCE verifier has 43 to 128 letters, digits and signs of '-._~'")];
    assert_wrong("", &cases).await;
}

#[tokio::test]
async fn client_credentials_are_sent_as_rfc_6749_says_and_refusals_are_told() {
    let server = Server::start(|request, stream| {
        let body = match request.path.as_str() {
            "/token" => (200, r#"{"access_token":"a-token","token_type":"Bearer","expires_in":60}"#),
            "/refused" => (401, r#"{"error":"invalid_client","error_description":"who are you"}"#),
            "/broken" => (503, "<h1>Sorry</h1>"),
            _ => (200, r#"{"token_type":"Bearer"}"#),
        };
        respond(stream, body.0, &[], body.1);
    });
    let run = |source: &'static str| run_with(source, server.url(), &[], &[("client-secret", "p+w d:1")]);
    let source = r#"
        let got = client_credentials("/token", "pröbe", secret("client-secret"), "read write");
        expect(got.access_token == "a-token" && got.expires_in == 60, "a token");
        client_credentials("/token", "probe", secret("client-secret"), "", #{ auth: "post", fields: #{ audience: "api" } });
    "#;
    assert_passes(&run(source).await);
    let seen = server.seen();
    assert_eq!(
        (seen[0].method.as_str(), seen[0].body.as_str()),
        ("POST", "grant_type=client_credentials&scope=read+write")
    );
    // printf 'pr%%C3%%B6be:p%%2Bw+d%%3A1' | base64
    assert_eq!(seen[0].header("authorization"), "Basic cHIlQzMlQjZiZTpwJTJCdytkJTNBMQ==");
    assert_eq!(
        (seen[1].header("authorization"), seen[1].body.as_str()),
        ("", "grant_type=client_credentials&audience=api&client_id=probe&client_secret=p%2Bw+d%3A1")
    );
    let said = "refused: invalid_client: who are you";
    assert_fails(&run(r#"client_credentials("/refused", "a", "b", "")"#).await, FailureKind::Denied, said);
    let said = "wanted an access_token, got 503 Service Unavailable from POST http";
    assert_fails(&run(r#"client_credentials("/broken", "a", "b", "")"#).await, FailureKind::ServerError, said);
    let said = "wanted an access_token, got 200 OK";
    assert_fails(&run(r#"client_credentials("/empty", "a", "b", "")"#).await, FailureKind::Assertion, said);
    let cases = [
        (
            r#"client_credentials("/token", "a", "b", "", #{ auth: "jwt" })"#,
            SCRIPT,
            "the option 'auth' must be basic or post",
        ),
        (
            r#"client_credentials("/token", "a", "b", "", #{ scope: "x" })"#,
            SCRIPT,
            "unknown option 'scope': there are auth and fields",
        ),
    ];
    assert_wrong("", &cases).await;
}

// ---- JSON Web Tokens ----

/// RFC 7515, A.1 to A.3: one payload, three signatures, which expired at 1300819380.
const PAYLOAD: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const HS256: (&str, &str, &str) = (
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    r#"#{ kty: "oct", k: "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow" }"#,
);
const RS256: (&str, &str, &str) = (
    "eyJhbGciOiJSUzI1NiJ9",
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    r#"#{ kty: "RSA", e: "AQAB", n: "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" }"#,
);
const ES256: (&str, &str, &str) = (
    "eyJhbGciOiJFUzI1NiJ9",
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    r#"#{ kty: "EC", crv: "P-256", x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }"#,
);

#[tokio::test]
async fn the_tokens_of_rfc_7515_are_read_and_verified() {
    let mut source = r#"get("/");"#.to_owned();
    for (header, signature, key) in [HS256, RS256, ES256] {
        source.push_str(&format!(
            r#"
            let token = "{header}.{PAYLOAD}.{signature}";
            expect(jwt_claims(token).iss == "joe" && jwt_claims(token).exp == 1300819380, "claims");
            let options = #{{ at: 1300819379, issuer: ["ann", "joe"] }};
            expect(jwt_verify(token, {key}, options)["http://example.com/is_root"], "one key");
            jwt_verify(token, #{{ keys: [#{{ kty: "unknown" }}, {key}] }}, options);
            jwt_verify(token, [{key}], #{{ at: 1300819409 }});"#
        ));
    }
    let server = Server::start(|_, stream| respond(stream, 200, &[], ""));
    assert_passes(&run_with(&source, server.url(), &[], &[]).await);
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_the_sites_fault_and_each_fault_has_its_words() {
    let token = |of: (&str, &str, &str)| format!("{}.{PAYLOAD}.{}", of.0, of.1);
    let verify =
        |token: &str, keys: &str, options: &str| format!(r#"jwt_verify("{token}", {keys}, #{{ {options} }})"#);
    let (rs, hs, es) = (token(RS256), token(HS256), token(ES256));
    let at = "at: 1300819379";
    let none = format!("eyJhbGciOiJub25lIn0.{PAYLOAD}.");
    // {"alg":"RS512"}, {"typ":"JWT"}, {"alg":"HS256","crit":["exp"]}, {"alg":"RS256","kid":"k9"}
    let (rs512, mute) = (format!("eyJhbGciOiJSUzUxMiJ9.{PAYLOAD}.AA"), format!("eyJ0eXAiOiJKV1QifQ.{PAYLOAD}.AA"));
    let crit = format!("eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiZXhwIl19.{PAYLOAD}.AA");
    let named = format!("eyJhbGciOiJSUzI1NiIsImtpZCI6Ims5In0.{PAYLOAD}.AA");
    let cases = [
        (verify(&rs, RS256.2, "at: 1300819410"), SITE, "the token expired 30 s ago (its 'exp' is 1300819380)"),
        (verify(&rs, RS256.2, "at: 1300819380, leeway_s: 0"), SITE, "the token expired 0 s ago"),
        (
            verify(&rs, RS256.2, &format!("{at}, issuer: \"ann\"")),
            SITE,
            "wanted a token by the issuer 'ann', got \"joe\"",
        ),
        (
            verify(&rs, RS256.2, &format!("{at}, audience: [\"a\", \"b\"]")),
            SITE,
            "wanted a token for the audience 'a' or 'b', got none",
        ),
        (
            verify(&rs.replace("cC4h", "cC4i"), RS256.2, at),
            SITE,
            "the token's signature (RS256) is not by the key that it names, or it was changed",
        ),
        (verify(&es.replace("DtEh", "DtEi"), ES256.2, at), SITE, "the token's signature (ES256)"),
        (verify(&hs, "\"another key\"", at), SITE, "the token's signature (HS256)"),
        (verify(&none, RS256.2, at), SITE, "the token is not signed: its algorithm is 'none'"),
        (verify(&mute, RS256.2, at), SITE, "its header has no 'alg'"),
        // The public key of a site must not pass as a shared key.
        (
            verify(&hs, RS256.2, at),
            SITE,
            "the token is signed with HS256 by a key that the key set does not have; it has RSA",
        ),
        (
            verify(&named, &format!("#{{ keys: [{}] }}", RS256.2.replace("#{", "#{ kid: \"k1\",")), at),
            SITE,
            "by a key with the id 'k9' that the key set does not have; it has RSA 'k1'",
        ),
        (verify(&rs, &RS256.2.replace("#{", "#{ \"use\": \"enc\","), at), SITE, "that the key set does not have"),
        (verify(&rs, &RS256.2.replace("#{", "#{ alg: \"PS256\","), at), SITE, "that the key set does not have"),
        (verify(&rs, "#{ jwks: [] }", at), SITE, "wanted a JWKS, got JSON without a list 'keys'"),
        (verify(&rs, "#{ keys: [] }", at), SITE, "it has none"),
        (r#"jwt_claims("abc")"#.to_owned(), SITE, "wanted a JWT, got a text of 3 characters: it has no dots"),
        (r#"jwt_claims("a.b")"#.to_owned(), SITE, "it has one dot, and not two"),
        (r#"jwt_claims("a.b.c.d.e")"#.to_owned(), SITE, "encrypted tokens are not read"),
        (r#"jwt_claims("!.e30.AA")"#.to_owned(), SITE, "its header is no Base64"),
        (r#"jwt_claims("e30.WzFd.AA")"#.to_owned(), SITE, "its payload is no JSON object"),
        (
            verify(&rs512, RS256.2, at),
            SCRIPT,
            "a check cannot verify a token signed with 'RS512': there are RS256, PS256, ES256, EdDSA and HS256",
        ),
        (verify(&crit, HS256.2, at), SCRIPT, "critical extensions ('crit')"),
        (verify(&rs, "7", at), SCRIPT, "jwt_verify takes a JWKS as a map, one key as a map, or a shared text"),
        (verify(&rs, RS256.2, "leeway_s: 4000"), SCRIPT, "the option 'leeway_s' must be 0 to 3600 seconds"),
        (verify(&rs, RS256.2, "issuer: 7"), SCRIPT, "the option 'issuer' must be a text or an array of texts"),
        (
            verify(&rs, RS256.2, "nonce: \"x\""),
            SCRIPT,
            "unknown option 'nonce': there are issuer, audience, leeway_s and at",
        ),
    ];
    let cases: Vec<_> = cases.iter().map(|(source, kind, saying)| (source.as_str(), *kind, *saying)).collect();
    assert_wrong("", &cases).await;
}

/// Tokens with all five algorithms by PyJWT, with the key set that it exports.
const PYJWT: &str = r#"
import json, sys, time, jwt
from jwt.algorithms import RSAAlgorithm, ECAlgorithm, OKPAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa, ec, ed25519
rs, es, ed = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
keys = [(RSAAlgorithm, rs, "rs"), (ECAlgorithm, es, "es"), (OKPAlgorithm, ed, "ed")]
jwks = [dict(json.loads(a.to_jwk(k.public_key())), kid=i) for a, k, i in keys]
now = int(time.time())
claims = {"iss": "https://id.example", "aud": ["app", "api"], "sub": "ada", "iat": now, "nbf": now, "exp": now + 300}
def token(alg, key, kid, **more): return jwt.encode(dict(claims, **more), key, alg, {"kid": kid})
shared = "a shared key of thirty-two bytes!"
print(json.dumps({"jwks": {"keys": jwks}, "shared": shared, "tokens": {
    "RS256": token("RS256", rs, "rs"), "PS256": token("PS256", rs, "rs"), "ES256": token("ES256", es, "es"), "EdDSA": token("EdDSA", ed, "ed")},
    "hs": token("HS256", shared, "any"), "early": token("PS256", rs, "rs", nbf=now + 300), "odd": token("EdDSA", ed, "ed", exp=None, nbf=now)}))
"#;

#[tokio::test]
async fn tokens_that_pyjwt_signed_are_verified_with_the_keys_that_it_exports() {
    let python = python::interpreter_with("PyJWT[crypto]==2.10.1");
    let output = Command::new(python).args(["-c", PYJWT]).output().expect("python runs");
    let made = String::from_utf8(output.stdout).expect("text");
    assert!(!made.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let server = Server::start(move |_, stream| respond(stream, 200, &[], &made));
    let source = r#"
        let made = get("/").json();
        let options = #{ issuer: "https://id.example", audience: "api" };
        let verified = 0;
        for token in made.tokens.values() {
            expect(jwt_verify(token, made.jwks, options).sub == "ada", "the claims");
            verified += 1;
        }
        expect(verified == 4, "all four");
        expect(jwt_verify(made.hs, made["shared"], options).sub == "ada", "the claims");
    "#;
    assert_passes(&run_with(source, server.url(), &[], &[]).await);
    let early = r#"let made = get("/").json(); jwt_verify(made.early, made.jwks)"#;
    let report = run_with(early, server.url(), &[], &[]).await;
    assert_fails(&report, FailureKind::Assertion, "the token is not valid for another ");
    let odd = r#"let made = get("/").json(); jwt_verify(made.odd, made.jwks)"#;
    let report = run_with(odd, server.url(), &[], &[]).await;
    assert_fails(&report, FailureKind::Assertion, "the token's 'exp' is no number: null");
}
