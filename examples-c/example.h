/* example.h - what the example programs need besides p2pnet: a command line, Ctrl-C, safe printing.
 *
 * Nothing here is about p2pnet; skip it when you read the examples. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An option "--name VALUE", stored in *text or *number; with neither it is a switch and sets *on. */
struct example_option {
    const char *name;
    const char **text;
    long *number;
    int *on;
};

static inline int example_take(const struct example_option *o, const char *value)
{
    char *end;
    if (o->text)
        *o->text = value;
    else if (o->number) {
        *o->number = strtol(value, &end, 10);
        return *value && !*end && *o->number >= 0;
    }
    return 1;
}

/* Reads the command line by a table that ends with a NULL name. If it is wrong: usage and exit status 2. */
static inline void example_options(int argc, char **argv, const struct example_option *table,
                                   const char *usage)
{
    for (int i = 1; i < argc; i++) {
        const struct example_option *o = table;
        while (o->name && strcmp(o->name, argv[i]) != 0)
            o++;
        if (o->name && o->on)
            *o->on = 1;
        else if (o->name && i + 1 < argc && example_take(o, argv[i + 1]))
            i++;
        else {
            int help = strcmp(argv[i], "--help") == 0;
            fprintf(help ? stdout : stderr, "usage: %s\n", usage);
            exit(help ? 0 : 2);
        }
    }
}

static volatile sig_atomic_t example_interrupted;

static inline void example_on_signal(int number)
{
    example_interrupted = 1;
    signal(number, SIG_DFL); /* whoever presses Ctrl-C twice means it */
}

/* Ctrl-C and SIGTERM set example_interrupted; output goes out line by line, into pipes and files as well. */
static inline void example_begin(void)
{
    signal(SIGINT, example_on_signal);
    signal(SIGTERM, example_on_signal);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
}

/* Prints text from the network. It may hold anything: control characters would reach the terminal. */
static inline void example_print(const char *before, const char *data, size_t len)
{
    fputs(before, stdout);
    for (size_t i = 0; i < len; i++)
        putchar((unsigned char)data[i] < ' ' || data[i] == 127 ? '?' : data[i]);
    putchar('\n');
}

#endif
