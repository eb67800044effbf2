#include "core/tasks/lm_eval/includes.hpp"

#include <algorithm>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

namespace assay::tasks::lm_eval {
namespace {

namespace fs = std::filesystem;

constexpr size_t file_limit = size_t{1} << 20U;
constexpr size_t most_files = 64;

class loader {
public:
  explicit loader(fs::path root) : root_(std::move(root)) {}

  result<raw_config> load(const fs::path& file) {
    std::error_code unknown;
    const fs::path real = fs::weakly_canonical(file, unknown);
    if (!lies_in(file, root_))
      return fault{errc::forbidden, "the file lies outside of the folder of tasks", file.string(),
                   "keep what tasks include below " + root_.string()};
    if (std::find(open_.begin(), open_.end(), real) != open_.end())
      return fault{errc::invalid_argument, "the file includes itself: " + chain(real), file.string(),
                   "remove one of the includes"};
    if (++files_ > most_files)
      return fault{errc::too_large, "over 64 files are included", file.string(), "include fewer"};
    YAML::Node node;
    if (auto problem = read(file, node))
      return *std::move(problem);
    open_.push_back(real);
    auto out = merge(node, file.string());
    open_.pop_back();
    if (out)
      out->files.insert(out->files.begin(), file.string());
    return out;
  }

  result<raw_config> merge(const YAML::Node& node, const std::string& file) {
    if (!node.IsMap())
      return fault{errc::invalid_argument, "expected a mapping", file, "write `key: value` lines"};
    raw_config out;
    for (const auto& item : node)
      if (item.first.IsScalar() && item.first.Scalar() == "include")
        if (auto problem = take_includes(item.second, file, out))
          return *std::move(problem);
    out.entries.erase("task_list");
    std::vector<std::string> seen;
    for (const auto& item : node) {
      if (!item.first.IsScalar())
        return fault{errc::invalid_argument, "expected a name as the key", place_of({item.first, file}, {}),
                     "write `key: value` lines"};
      const std::string& key = item.first.Scalar();
      if (std::find(seen.begin(), seen.end(), key) != seen.end())
        return fault{errc::invalid_argument, "the key stands here a second time",
                     place_of({item.first, file}, key), "remove one of them"};
      seen.push_back(key);
      if (key != "include")
        out.entries.insert_or_assign(key, config_entry{item.second, file});
    }
    return out;
  }

private:
  std::string chain(const fs::path& last) const {
    std::string out;
    for (const auto& one : open_)
      out.append(one.filename().string()).append(" -> ");
    return out.append(last.filename().string());
  }

  static std::optional<fault> read(const fs::path& file, YAML::Node& out) {
    std::error_code unknown;
    if (!fs::is_regular_file(file, unknown))
      return fault{errc::not_found, "there is no such file", file.string(), "correct the path"};
    std::ifstream in(file, std::ios::binary);
    std::string text(file_limit + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (in.bad() || !in.is_open())
      return fault{errc::not_found, "the file cannot be read", file.string(), "check its permissions"};
    text.resize(static_cast<size_t>(in.gcount()));
    if (text.size() > file_limit)
      return fault{errc::too_large, "the task file is over 1 MiB", file.string(),
                   "keep the samples in a dataset of their own"};
    try {
      out = YAML::Load(text);
      return std::nullopt;
    } catch (const YAML::Exception& error) {
      return fault{errc::malformed_input, "not valid YAML: " + error.msg,
                   file.string() + ":" + std::to_string(error.mark.line + 1),
                   "check indentation, colons and quotes on this line"};
    }
  }

  std::optional<fault> take_includes(const YAML::Node& wanted, const std::string& file, raw_config& out) {
    std::vector<YAML::Node> names;
    if (wanted.IsSequence())
      for (const auto& one : wanted)
        names.push_back(one);
    else
      names.push_back(wanted);
    for (const auto& name : names) {
      const auto where = place_of({name, file}, "include");
      if (!name.IsScalar() || name.Scalar().empty())
        return fault{errc::invalid_argument, "expected a file name, or a list of them", where,
                     "for example: include: _base.yaml"};
      auto included = load(fs::path(file).parent_path() / name.Scalar());
      if (!included) {
        auto reason = included.error();
        // What is wrong inside the included file is shown there, the rest where it is included.
        if (reason.code != errc::malformed_input && reason.where.find(':') == std::string::npos) {
          reason.message.append(": ").append(reason.where);
          reason.where = where;
        }
        return reason;
      }
      for (auto& [key, entry] : included->entries)
        out.entries.insert_or_assign(key, std::move(entry));
      out.files.insert(out.files.end(), included->files.begin(), included->files.end());
    }
    return std::nullopt;
  }

  fs::path root_;
  std::vector<fs::path> open_;
  size_t files_ = 0;
};

} // namespace

const config_entry* raw_config::find(std::string_view key) const {
  const auto found = entries.find(key);
  return found == entries.end() ? nullptr : &found->second;
}

std::string place_of(const config_entry& entry, std::string_view path) {
  std::string where = entry.file;
  if (entry.node.IsDefined() && entry.node.Mark().line >= 0)
    where.append(":").append(std::to_string(entry.node.Mark().line + 1));
  if (!path.empty())
    where.append(": ").append(path);
  return where;
}

result<raw_config> load_config(const fs::path& file, const fs::path& root) { return loader{root}.load(file); }

result<raw_config> load_inline(const YAML::Node& mapping, const std::string& file, const fs::path& root) {
  auto out = loader{root}.merge(mapping, file);
  if (out)
    out->files.insert(out->files.begin(), file);
  return out;
}

} // namespace assay::tasks::lm_eval
