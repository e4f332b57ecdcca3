/* Writing JSON, as far as a monitor has to. */
#ifndef AIVO_APP_JSON_TEXT_H
#define AIVO_APP_JSON_TEXT_H

#include <glib.h>

G_BEGIN_DECLS

/* Appends text as a JSON string with its quotes; NULL is null, bytes that are no UTF-8 become U+FFFD. */
void aivo_json_append_string(GString *out, const char *text);
/* Appends a number with so many decimals; NAN and infinity are null. */
void aivo_json_append_number(GString *out, double number, int decimals);
/* Appends an RFC 3339 time in UTC with milliseconds, in quotes; 0 is null. */
void aivo_json_append_time(GString *out, gint64 time_ms);
/* Is text a whole JSON array, as the arguments of an event are? Otherwise *problem (may be NULL) is a static text. */
gboolean aivo_json_is_array(const char *text, const char **problem);

G_END_DECLS
#endif
