/* CRC-32C (RFC 3720 appendix B.4): finds damage in small records; it proves nothing about who wrote
 * them. */
#ifndef HANDBELL_BASE_CRC32C_H
#define HANDBELL_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of "123456789": 0xe3069283. */
uint32_t crc32c(const void *bytes, size_t size);

#endif
