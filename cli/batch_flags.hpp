#pragma once

#include "cli/api_client.hpp"
#include "cli/batch_plan.hpp"
#include "core/experiments/batch.hpp"

#include <optional>
#include <string>
#include <vector>

namespace assay::cli {

/// The flags of `assay batch`, as written.
struct batch_flags {
  std::string preset; ///< Empty: standard.
  experiments::batch_wish wish;
  batch_ways ways;
  bool serial = false;
  std::string model_args;
  std::vector<std::string> include_paths;
  std::vector<std::string> gen_kwargs;
  std::string seed;
  std::optional<uint32_t> epochs;
  std::string time_limit;
  std::optional<double> max_cost; ///< Dollars, of each evaluation.
  std::string use_cache;          ///< Empty: not given.
  std::string output_path;
  std::string output = "table";
  std::string log_dir = "logs";
  bool no_log = false;
  bool dry_run = false;
  bool fresh = false;
  bool strict = false;
  api_flags api;
};

/// What the flags, the preset that they name and NUM_INSTANCES ask for together.
struct batch_order {
  experiments::batch_preset preset = experiments::batch_preset::standard;
  experiments::batch_wish wish;
  batch_ways ways;
};

/// @returns errc::invalid_argument for an unknown preset, an instance count that is none, and flags that
/// contradict each other.
result<batch_order> order_of(const batch_flags& flags);

/// The flags of `assay run` that say the same about how to ask.
run_flags run_flags_of(const batch_flags& flags, const batch_order& order);

/// Has a running server do the batch, and follows it. Ctrl-C leaves the evaluations to the server.
exit_code run_batch_on_server(command_context& context, const batch_flags& flags, const batch_order& order);

/// Options and examples; shared with the documentation's test of the command line.
void add_batch_options(CLI::App& sub, batch_flags& flags);

} // namespace assay::cli
