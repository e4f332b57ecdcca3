/* Words for people: levels, causes, times, lengths of time, amounts. Every text is translated; the caller frees it
 * unless it is const. */
#ifndef AIVO_APP_DESCRIBE_H
#define AIVO_APP_DESCRIBE_H

#include <aivo/quality.h>
#include <glib.h>

G_BEGIN_DECLS

const char *aivo_describe_level(enum aivo_level level);
/* What the cause is, as half a sentence: "packets lost on the way to the server". */
const char *aivo_describe_cause(enum aivo_cause cause);
/* "120 ms", "0.4 ms", "1.2 s"; NAN: "–". */
char *aivo_describe_ms(double ms);
/* "8 s", "12 min", "3 h 20 min", "2 days". */
char *aivo_describe_span(gint64 ms);
/* The time of day, with the date unless it is today. */
char *aivo_describe_time(gint64 time_ms);
/* "Why is the level what it is": its causes in words, most first; NULL: nothing took points off. */
char *aivo_describe_causes(const struct aivo_quality *quality);
/* The text with a capital where a word begins it. NULL: NULL. */
char *aivo_describe_sentence(const char *text);
/* What a failed file operation says, for people: of a full disk, that. */
char *aivo_describe_trouble(const char *text);
/* "96 B", "4.0 kB". */
char *aivo_describe_bytes(guint64 bytes);
/* What is wrong with this text as an event's arguments, which are a JSON array, and where; NULL: nothing. */
char *aivo_describe_args_problem(const char *text);

G_END_DECLS
#endif
