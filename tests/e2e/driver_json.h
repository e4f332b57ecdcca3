/* What the driver reads and writes: a JSON object a line, in it JSON values as text and binary data as base64. */
#ifndef AIVO_E2E_DRIVER_JSON_H
#define AIVO_E2E_DRIVER_JSON_H

#include <aivo/aivo.h>
#include <cjson/cJSON.h>

#define DRIVER_MAX_ATTACHMENTS 16

/* One more than a message may have is allowed, so that the library's own bound can be tested. */
struct driver_attachments {
    struct aivo_attachment list[DRIVER_MAX_ATTACHMENTS];
    size_t count;
};

/* Reads options out of a command into options that were initialised. The strings are borrowed from the command. */
void driver_read_options(const cJSON *command, struct aivo_options *options);

/* Reads the array "attachments" of base64 texts. driver_free_attachments() afterwards. */
void driver_read_attachments(const cJSON *command, struct driver_attachments *out);
void driver_free_attachments(struct driver_attachments *attachments);

const char *driver_string(const cJSON *object, const char *name, const char *otherwise);
double driver_number(const cJSON *object, const char *name, double otherwise);
bool driver_bool(const cJSON *object, const char *name, bool otherwise);

/* Adds args, attachments, ackId and what else a message has. */
void driver_add_message(cJSON *object, const struct aivo_message *message);
void driver_add_error(cJSON *object, const char *name, const struct aivo_error *error);
void driver_add_quality(cJSON *object, const struct aivo_quality *quality);
/* A text, where there is one. JSON stays text: cJSON's numbers and strings are not exact enough for what is tested. */
void driver_add_text(cJSON *object, const char *name, const char *text);

/* Prints the object as one line, from any thread, and frees it. */
void driver_print(cJSON *object);

#endif
