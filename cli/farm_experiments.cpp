#include "cli/farm_experiments.hpp"

#include <string>

namespace assay::cli {

experiment_supervisor_config experiments_from(const farm_options& options,
                                              const std::shared_ptr<storage::store>& store,
                                              const std::shared_ptr<executor>& workers, uint64_t seed) {
  experiment_supervisor_config out;
  out.seed = seed;
  out.workers = workers;
  out.read = make_experiment_reader(store);
  const auto& limits = options.settings->experiments;
  out.plan_limits = {limits.max_children, limits.max_samples, limits.max_cost};
  out.goes_on = options.experiment_goes_on;
  // A command that goes on with its own runs alone starts nothing else.
  if (options.goes_on && !out.goes_on)
    out.goes_on = [](const std::string&) { return false; };
  return out;
}

} // namespace assay::cli
