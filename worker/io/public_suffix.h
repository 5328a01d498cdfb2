/* Which part of a domain its owner registered, by the public suffix list (libpsl, named in
 * public_suffix.c alone). A rule of thumb would not do: of district.sch.uk each school has its own
 * domain, and of example.org one owner has them all. */
#ifndef HANDBELL_IO_PUBLIC_SUFFIX_H
#define HANDBELL_IO_PUBLIC_SUFFIX_H

struct public_suffix;

/* The system's list, or the one built into the library where that is newer. NULL where there is
 * neither. Ended by public_suffix_free. */
struct public_suffix *public_suffix_new(void);
void public_suffix_free(struct public_suffix *suffixes); /* NULL is fine */

/* The organisational domain (RFC 7489 section 3.2) of `domain`, which must be in lower case: a part
 * of that text. NULL where it is a public suffix itself, or `suffixes` is NULL. */
const char *public_suffix_organisation(const struct public_suffix *suffixes, const char *domain);

#endif
