/* Who this worker is: a uuid in its state directory, the same after each restart, so that a worker
 * that died finds its own messages again. */
#ifndef HANDBELL_FLOW_STATE_DIR_H
#define HANDBELL_FLOW_STATE_DIR_H

#include "worker/base/error.h"

enum { STATE_DIR_OWNER_BYTES = 37 };

/* `owner` is a uuid as text; `is_new_owner`: it was made just now. `lock_fd` holds the directory
 * until state_dir_close. */
struct state_dir {
    int lock_fd;
    bool is_new_owner;
    char owner[STATE_DIR_OWNER_BYTES];
};

/* Opens `path`, which is created (0700) where it is missing and its parent is there; takes its
 * lock, which one process at a time can hold; reads `owner`, or writes a new one (0600) at the
 * first start. False with `error` naming the file: EX_TEMPFAIL where another process holds the
 * lock, EX_CONFIG where `owner` holds no uuid, EX_OSERR otherwise. */
bool state_dir_open(struct state_dir *state, const char *path, struct error *error);
void state_dir_close(struct state_dir *state);

#endif
