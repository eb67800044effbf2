#pragma once

#include <CLI/CLI.hpp>

#include <limits>
#include <string>
#include <vector>

/// What the commands' files share when they declare their flags. Heavy: only for .cpp files.
namespace assay::cli {

/// An option that may stand several times and takes one value each time.
inline CLI::Option* repeatable(CLI::App& app, const std::string& names, std::vector<std::string>& into,
                               const std::string& description) {
  return app.add_option(names, into, description)->allow_extra_args(false)->type_name("TEXT");
}

/// Refuses numbers that @p T cannot hold, and says which it can.
template <class T>
CLI::Range any_of_type() {
  return {std::numeric_limits<T>::min(), std::numeric_limits<T>::max()};
}

/// Refuses what cannot be how many rows are shown at most.
inline CLI::Range number_of_rows() { return {size_t{1}, size_t{1'000'000}}; }

/// Ends a command's help with examples, and says where the other flags are.
inline void examples(CLI::App& app, const std::string& lines) {
  app.footer("\nExamples:\n" + lines
             + "\nFlags of every command (-v, -q, --json, --config, --set, --data-dir, ...): assay --help");
}

} // namespace assay::cli
