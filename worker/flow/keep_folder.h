/* The folder `kept`: which of its files is being appended to, and which are old enough to go.
 * Private to keep.c. */
#ifndef HANDBELL_FLOW_KEEP_FOLDER_H
#define HANDBELL_FLOW_KEEP_FOLDER_H

#include "worker/base/error.h"
#include "worker/flow/keep_file.h"

#include <stdbool.h>
#include <stdint.h>

/* `file_fd` is -1 while there is no file to append to. */
struct keep_folder {
    int folder_fd;
    int file_fd;
    char owner[KEEP_OWNER_BYTES];
    uint64_t file_bytes; /* what is whole in it; more is cut off before the next append */
    int64_t file_day;    /* days since 1970 by its name */
    uint64_t newest;     /* the number of the last entry; 0: none */
    bool is_ragged;      /* part of an entry may stand behind what is whole */
    struct keep_place place;
};

/* Opens `state_dir`/kept, made where it is missing; reads the newest file, and cuts off what an
 * append left half done. False with `error`, see keep_open. Ended by keep_folder_close. */
bool keep_folder_open(struct keep_folder *folder, const char *state_dir, const char *owner,
                      struct error *error);
void keep_folder_close(struct keep_folder *folder);

/* Appends whole entries; the caller counts `newest` on. False with errno: nothing was appended. */
bool keep_folder_append(struct keep_folder *folder, const uint8_t *bytes, size_t size);

/* Whether the next entry belongs into a new file: another day, or the file has grown. */
bool keep_folder_is_full(const struct keep_folder *folder, int64_t today);
/* Begins a file for the entries behind `newest`. False with errno: the one before goes on. */
bool keep_folder_begin_file(struct keep_folder *folder, int64_t today);
/* The next entry is the one behind `number`, in a file of its own. */
void keep_folder_skip_to(struct keep_folder *folder, uint64_t number);
/* Deletes the files of more than `keep_days` before `today`, but for the one in use; how many. */
unsigned keep_folder_forget(struct keep_folder *folder, int64_t today, uint32_t keep_days);

#endif
