#include "entry.h"

int main(int argc, char **argv)
{
    return cli_begin() ? cli_end(cli_dispatch(argc, argv)) : CLI_EXIT_SOFTWARE;
}
