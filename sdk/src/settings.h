/* The options of a client, checked and copied: nothing of the program's memory is kept. */
#ifndef AIVO_SETTINGS_H
#define AIVO_SETTINGS_H

#include "url.h"
#include <aivo/options.h>

#define AIVO_SETTINGS_QUEUES_MAX 15 /* besides the default one */

struct aivo_settings {
    struct aivo_options options; /* strings point into copies that this struct owns */
    struct aivo_url url;
    struct aivo_queue_policy policies[AIVO_SETTINGS_QUEUES_MAX]; /* options.queue.queues; names are not copied */
    char *target;                                                /* path with query, as requested from the server */
    char **copies;
    size_t copy_count;
};

/* AIVO_E_INVALID names the option and what is wrong with it. */
enum aivo_status aivo_settings_init(struct aivo_settings *s, const struct aivo_options *options,
                                    struct aivo_error *err);
void aivo_settings_free(struct aivo_settings *s);

#endif
