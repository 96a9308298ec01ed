"""One module a command, under the command's name; subcommands of a group beside it."""
