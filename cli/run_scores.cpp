#include "cli/run_scores.hpp"

#include "cli/load_settings.hpp"
#include "storage/snapshot.hpp"

namespace assay::cli {

result<run_record> read_run_named(const std::shared_ptr<storage::store>& from, const std::string& name) {
  const auto id = find_run_named(from, name);
  if (!id)
    return id.error();
  auto view = storage::snapshot::open(from);
  if (!view)
    return view.error();
  auto found = view->find_run(*id);
  if (!found)
    return found.error();
  if (!*found)
    return fault{errc::not_found, "there is no run " + to_string(*id), {}, {}};
  return std::move(**found);
}

} // namespace assay::cli
