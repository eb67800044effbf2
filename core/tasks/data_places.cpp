#include "core/tasks/data_places.hpp"

#include <algorithm>
#include <system_error>

namespace assay::tasks {

namespace fs = std::filesystem;

bool lies_in(const fs::path& path, const fs::path& root) {
  if (root.empty())
    return true;
  std::error_code error;
  const fs::path real = fs::weakly_canonical(fs::absolute(path, error), error);
  if (error)
    return false;
  const fs::path real_root = fs::weakly_canonical(fs::absolute(root, error), error);
  if (error)
    return false;
  const auto [at, _] = std::mismatch(real_root.begin(), real_root.end(), real.begin(), real.end());
  // A root that ends in a slash has an empty last part.
  return at == real_root.end() || at->empty();
}

bool lies_in_any(const fs::path& path, const std::vector<std::string>& roots) {
  return std::any_of(roots.begin(), roots.end(),
                     [&](const std::string& root) { return !root.empty() && lies_in(path, root); });
}

} // namespace assay::tasks
