/* The shape of an address. Whether somebody reads mail there is not its question. */
#include "worker/mail/address.h"

#include "worker/model/plain_text.h"

#include <string.h>
#include <sysexits.h>

enum { LOCAL_PART_BYTES = 64, LABEL_BYTES = 63 };

/* Letters, digits, '-', and whole sequences of UTF-8 beyond ASCII; '-' at neither end. */
static bool is_label(const char *label, size_t size)
{
    if (size == 0 || size > LABEL_BYTES || label[0] == '-' || label[size - 1] == '-')
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = label[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && !is_digit && c != '-' && ((unsigned char)c & 0x80U) == 0)
            return false;
    }
    return true;
}

static bool is_domain(const char *domain)
{
    for (;;) {
        size_t size = strcspn(domain, ".");
        if (!is_label(domain, size))
            return false;
        if (domain[size] == '\0')
            return true;
        domain += size + 1;
    }
}

/* Dots neither at the ends nor beside each other (RFC 5321 section 4.1.2, Dot-string). */
static bool is_local_part(const char *text, size_t size)
{
    if (size == 0 || size > LOCAL_PART_BYTES || text[0] == '.' || text[size - 1] == '.')
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c <= ' ' && ((unsigned char)c & 0x80U) == 0)
            return false;
        if (strchr("<>,\"()\\:;[]\x7f", c) != NULL || (c == '.' && text[i + 1] == '.'))
            return false;
    }
    return true;
}

/* Valid UTF-8, and nothing in it that hides, breaks a line or turns the direction. */
static bool is_clean(const char *address, size_t size)
{
    char bytes[MAIL_ADDRESS_BYTES * 3 + 1];
    struct buf line = {.data = bytes, .capacity = sizeof(bytes), .ceiling = sizeof(bytes) - 1};
    return plain_text_append_line(&line, address, size) && line.size == size &&
           memcmp(line.data, address, size) == 0;
}

bool mail_address_check(const char *address, const char *field, struct error *error)
{
    size_t size = address != NULL ? strlen(address) : 0;
    if (size == 0)
        return error_set(error, EX_DATAERR, "%s: no address", field);
    if (size > MAIL_ADDRESS_BYTES)
        return error_set(error, EX_DATAERR, "%s: address longer than %d bytes", field,
                         MAIL_ADDRESS_BYTES);
    const char *at = strchr(address, '@');
    if (at == NULL || strchr(at + 1, '@') != NULL || !is_clean(address, size) ||
        !is_local_part(address, (size_t)(at - address)) || !is_domain(at + 1))
        return error_set(error, EX_DATAERR, "%s: malformed address", field);
    return true;
}
