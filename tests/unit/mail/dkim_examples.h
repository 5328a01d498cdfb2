/* The keys of RFC 8463, appendix A.2, as PEM texts, and some that DKIM cannot use. */
#ifndef HANDBELL_TESTS_UNIT_MAIL_DKIM_EXAMPLES_H
#define HANDBELL_TESTS_UNIT_MAIL_DKIM_EXAMPLES_H

static const char example_ed25519[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";

static const char example_rsa[] =
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi\n"
    "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM\n"
    "KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"
    "AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm\n"
    "6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe\n"
    "zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy\n"
    "6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc\n"
    "uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy\n"
    "WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd\n"
    "WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a\n"
    "licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst\n"
    "o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe\n"
    "uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL\n"
    "-----END RSA PRIVATE KEY-----\n";

static const char example_ed25519_public[] = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
static const char example_rsa_public[] =
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J1"
    "6JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2"
    "EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";

static const char example_small_rsa[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIB4wIBADANBgkqhkiG9w0BAQEFAASCAc0wggHJAgEAAmEAv8LFdm/jj/jQPEBF\n"
    "vgoV/xcoJbpQTBKr+uZtO+CS+JOIquSsBhln/oPLqckrh7ydJAtxjdnrRLv/X8wz\n"
    "O4HI2A7PzrYh0txJPK18njMJYqTSnEuJvgD1yMt9ftL3+wwBAgMBAAECYB43e9Qg\n"
    "53PtWirUWekLP9IVfQ8M39BM9OqxWq8fwSkIXnXHWNAROtDhRbt4ZrKZ5sbYFLp4\n"
    "ZNPIu9Hkt8/fnM3JQjViatJGahobUK45tNAVoQHdPWhuu1SKprFTfg7zHQIxAPiU\n"
    "WEz1PbVUSQ4iwyAlYgcFNsYiIaXQ7mv24Wigz+2C7FI045Jd48aymTBfx7Dk5wIx\n"
    "AMV8N0KAZcQE4v+rhwwUhTkmwA+T+IYOpHOeasg9iv66NAqfG6F1HeAi4EqHVTcC\n"
    "1wIwVHkc9LIWUUueM+aORptNj7Mu5O/uXUn968SO3x5e6oimRF1ixHeRkxFYS38Q\n"
    "/kUbAjB9IouFaQSS46HO7aph/jK4lxRGCrYEhAyycmQpQ83qQKSvQkho02Q93PuQ\n"
    "XhaiB/sCMFD0pppxIKmbOWMtRAT+sugmKQnVTkfedydaDfjjkuoJUhOauOfQXzen\n"
    "MWfS4PKwbg==\n"
    "-----END PRIVATE KEY-----\n";

static const char example_elliptic[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgf8fIupClSKm0Qcz2\n"
    "tF6P6IYhSM8uIQ/rsq0yJArls9yhRANCAASvvxjrnoGBhuz0+6bgPiWJ8U95WlfW\n"
    "pZFiX27isO379Yyp9S8JY6dJoxn6PW9rKmu42qXOSfzJ1XL/Axbz00Zw\n"
    "-----END PRIVATE KEY-----\n";

static const char example_encrypted[] =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjL2Itgw5ztMwICCAAw\n"
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEOb1fPCsY0gO+WojvUsQi7gEQJtZ\n"
    "PWEWpE26i0Q1Mm5VI4g41lScsrJD3ueHJWsG7yYl5QhKR1pEVB0xvefsx9w61CtI\n"
    "P98et2/iUowTZjJGwDw=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";

#endif
