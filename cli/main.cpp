#include "cli/commands.hpp"

int main(int count, char** arguments) { return assay::cli::run_command_line(count, arguments); }
