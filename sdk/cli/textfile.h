/* Small text files: a token in a file. */
#ifndef CLI_TEXTFILE_H
#define CLI_TEXTFILE_H

#include "flags.h"

#define CLI_TOKEN_FILE_MAX 65536 /* bytes; a longer file is no token */

/* The file's text without the white space around it; owned by the caller. false: error says what is wrong with it:
 * unreadable, longer than max, empty, or no UTF-8. */
bool cli_textfile_read(const char *path, size_t max, char **out, char error[CLI_ERROR_MAX]);

#endif
