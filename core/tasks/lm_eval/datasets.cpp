#include "core/tasks/lm_eval/datasets.hpp"

#include "core/tasks/dataset.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

namespace assay::tasks::lm_eval {
namespace {

namespace fs = std::filesystem;

/// Files by split; the empty name stands for every split.
using split_files = std::map<std::string, std::vector<std::string>>;

constexpr const char* map_name = "datasets.yaml";
/// Stands for the file of what the configuration says.
constexpr const char* configured = "the configuration";
constexpr int most_parents = 16;

std::string text_at(const raw_config& config, std::string_view key) {
  const auto* entry = config.find(key);
  return entry != nullptr && entry->node.IsScalar() && !entry->node.IsNull() ? entry->node.Scalar()
                                                                             : std::string{};
}

bool is_local_kind(std::string_view path) { return path == "json" || path == "csv"; }

bool is_binary_kind(std::string_view path) {
  return path == "parquet" || path == "arrow" || path == "webdataset" || path == "imagefolder"
         || path == "audiofolder" || path == "pandas";
}

bool is_parquet(const std::string& file) { return file.ends_with(".parquet") || file.ends_with(".arrow"); }

std::string fetch_hint(const raw_config& config) {
  const auto path = text_at(config, "dataset_path");
  const auto name = text_at(config, "dataset_name");
  const bool local = is_local_kind(path) || is_binary_kind(path) || path.empty();
  return "`assay tasks fetch " + (local ? std::string("NAME") : path)
         + (name.empty() || local ? std::string{} : " --config " + name)
         + " --split SPLIT -o FILE.jsonl` gets the rows as JSONL";
}

class finder {
public:
  finder(const raw_config& config, const read_options& options, task_config& task, const complaint& complain)
      : config_(config), options_(options), task_(task), complain_(complain) {}

  void find() {
    const auto* path = config_.find("dataset_path");
    if (path == nullptr || !path->node.IsScalar() || path->node.Scalar().empty()) {
      const auto& at = path != nullptr ? *path : *config_.find("task");
      return complain_(at, "dataset_path", "the task has no dataset",
                       "write json, with dataset_kwargs: {data_files: FILE}, or a dataset's name on a hub");
    }
    split_files files;
    if (is_local_kind(path->node.Scalar()))
      files = local_files(*path);
    else if (is_binary_kind(path->node.Scalar()))
      complain_(*path, "dataset_path", "datasets of the kind " + path->node.Scalar() + " cannot be read",
                fetch_hint(config_) + "; then name it with dataset_path: json");
    else
      files = mapped_files(*path);
    if (!files.empty())
      choose(files);
  }

private:
  void add(std::vector<std::string>& out, const config_entry& entry, const std::string& where,
           const YAML::Node& node, const fs::path& folder) {
    const bool is_configured = entry.file == configured;
    const config_entry at{is_configured ? YAML::Node() : node, entry.file};
    if (!node.IsScalar() || node.Scalar().empty())
      return complain_(at, where, "expected a file name", "for example: test.jsonl");
    const std::string& text = node.Scalar();
    if (text.find("://") != std::string::npos)
      return complain_(at, where, "the data file is not on this machine: " + text,
                       "download it, and name the file");
    if (is_parquet(text))
      return complain_(at, where, "parquet files cannot be read: " + text, fetch_hint(config_));
    if (text.find('*') != std::string::npos)
      return complain_(at, where, "patterns of file names are not understood: " + text, "list the files");
    const fs::path file = (folder / text).lexically_normal();
    if (!is_configured && !lies_in(file, options_.root) && !lies_in_any(file, options_.places.roots))
      return complain_(at, where, "the data file lies outside of the folder of tasks: " + text,
                       "keep it below " + options_.root.string()
                           + ", or name its folder in tasks.roots of the configuration");
    if (!dataset_format_of(file.string()))
      return complain_(at, where, "cannot tell the format of " + text + " by its extension",
                       "use .jsonl, .json, .csv or .tsv, also with .gz");
    std::error_code unknown;
    if (!fs::is_regular_file(file, unknown))
      return complain_(at, where, "the data file " + file.string() + " does not exist",
                       is_configured ? "correct it" : "the path is relative to the file that names it");
    out.push_back(file.string());
  }

  std::vector<std::string> list(const config_entry& entry, const std::string& where, const YAML::Node& node,
                                const fs::path& folder) {
    std::vector<std::string> out;
    if (!node.IsSequence()) {
      add(out, entry, where, node, folder);
      return out;
    }
    for (size_t i = 0; i < node.size(); ++i)
      add(out, entry, where + "[" + std::to_string(i) + "]", node[i], folder);
    return out;
  }

  /// A file, a list, or a mapping of splits.
  split_files by_split(const config_entry& entry, const std::string& where, const YAML::Node& node,
                       const std::string& whole) {
    split_files out;
    const fs::path folder = fs::path(entry.file).parent_path();
    if (!node.IsMap()) {
      out.emplace(whole, list(entry, where, node, folder));
      return out;
    }
    for (const auto& item : node)
      if (item.first.IsScalar())
        out.emplace(item.first.Scalar(), list(entry, where + "." + item.first.Scalar(), item.second, folder));
    return out;
  }

  split_files local_files(const config_entry& path) {
    const auto* kwargs = config_.find("dataset_kwargs");
    if (kwargs == nullptr || !kwargs->node.IsMap()) {
      complain_(kwargs != nullptr ? *kwargs : path, "dataset_kwargs",
                "the task does not say where its rows are",
                "for example: dataset_kwargs: {data_files: {test: test.jsonl}}");
      return {};
    }
    const YAML::Node files = kwargs->node["data_files"];
    if (!files.IsDefined() || files.IsNull()) {
      complain_(*kwargs, "dataset_kwargs.data_files", "the task does not say where its rows are",
                "for example: data_files: {test: test.jsonl}");
      return {};
    }
    // As the loader of the same name has it, files without a split are `train`.
    return by_split(*kwargs, "dataset_kwargs.data_files", files, "train");
  }

  /// The files that say where datasets are: those given, then those beside the task and above it.
  std::vector<fs::path> maps() const {
    std::vector<fs::path> out(options_.places.maps.begin(), options_.places.maps.end());
    fs::path folder = task_.folder;
    for (int i = 0; i < most_parents && !folder.empty(); ++i) {
      std::error_code unknown;
      if (fs::is_regular_file(folder / map_name, unknown))
        out.push_back(folder / map_name);
      if (options_.root.empty() || fs::equivalent(folder, options_.root, unknown)
          || folder == folder.parent_path())
        break;
      folder = folder.parent_path();
    }
    return out;
  }

  split_files mapped_files(const config_entry& path) {
    const std::string name = path.node.Scalar();
    const std::string part = text_at(config_, "dataset_name");
    const std::vector<std::string> keys{part.empty() ? name : name + ":" + part, name};
    if (!options_.places.datasets.empty()) {
      // JSON is YAML too. Its paths are absolute, and nobody's to doubt.
      const YAML::Node map = YAML::Load(options_.places.datasets);
      for (const std::string& key : keys)
        if (const YAML::Node found = map[key]; found.IsDefined())
          return by_split({found, configured}, "tasks.datasets." + key, found, {});
    }
    for (const fs::path& file : maps()) {
      YAML::Node map;
      try {
        map = YAML::LoadFile(file.string());
      } catch (const YAML::Exception& error) {
        complain_({YAML::Node(), file.string() + ":" + std::to_string(error.mark.line + 1)}, {},
                  "not valid YAML: " + error.msg, "write `name: {split: file}` lines");
        continue;
      }
      if (!map.IsMap())
        continue;
      for (const std::string& key : keys)
        if (const YAML::Node found = map[key]; found.IsDefined())
          return by_split({found, file.string()}, key, found, {});
    }
    complain_(
        path, "dataset_path",
        "the dataset " + name + (part.empty() ? "" : " (" + part + ")")
            + " is on a hub, and no file of it is known here",
        fetch_hint(config_) + "; then write `" + name + (part.empty() ? "" : ":" + part)
            + ": {SPLIT: FILE.jsonl}` into datasets.yaml beside the task, or under tasks.datasets into the "
              "configuration");
    return {};
  }

  static const std::vector<std::string>* split(const split_files& files, const std::string& name) {
    auto found = files.find(name);
    if (found == files.end())
      found = files.find("");
    return found == files.end() || found->second.empty() ? nullptr : &found->second;
  }

  /// @returns the files of the split that @p key names; complains when they are not there.
  const std::vector<std::string>* named(const split_files& files, std::string_view key,
                                        const std::string& path) {
    const auto* entry = config_.find(key);
    const std::string name = text_at(config_, key);
    if (entry == nullptr || name.empty())
      return nullptr;
    return checked(files, *entry, name, path);
  }

  const std::vector<std::string>* checked(const split_files& files, const config_entry& entry,
                                          const std::string& name, const std::string& path) {
    const auto* found = split(files, name);
    // Files that were named but cannot be used have been complained about.
    if (found == nullptr && !files.contains("") && !files.contains(name)) {
      std::string known;
      for (const auto& [one, _] : files)
        known.append(known.empty() ? "there are: " : ", ").append(one);
      complain_(entry, path, "no file of the split `" + name + "` is known", known);
    }
    return found;
  }

  void choose(const split_files& files) {
    const bool has_test = !text_at(config_, "test_split").empty();
    const auto* rows = named(files, has_test ? "test_split" : "validation_split",
                             has_test ? "test_split" : "validation_split");
    if (!has_test && text_at(config_, "validation_split").empty())
      complain_(*config_.find("dataset_path"), "test_split", "the task names no split to ask",
                "for example: test_split: test");
    if (rows != nullptr)
      task_.rows.files = *rows;
    if (const auto* examples = find_examples(files))
      task_.examples.files = *examples;
    else
      task_.examples = task_.rows;
  }

  /// In order: what fewshot_config or fewshot_split say, the training split, the validation split.
  const std::vector<std::string>* find_examples(const split_files& files) {
    if (const auto* config = config_.find("fewshot_config"); config != nullptr && config->node.IsMap())
      if (const YAML::Node name = config->node["split"]; name.IsDefined() && name.IsScalar())
        return checked(files, *config, name.Scalar(), "fewshot_config.split");
    for (const char* key : {"fewshot_split", "training_split", "validation_split"})
      if (!text_at(config_, key).empty()) {
        // Without examples nobody needs the file.
        if (task_.num_fewshot == 0 && split(files, text_at(config_, key)) == nullptr)
          return nullptr;
        return named(files, key, key);
      }
    return nullptr;
  }

  const raw_config& config_;
  const read_options& options_;
  task_config& task_;
  const complaint& complain_;
};

} // namespace

void find_datasets(const raw_config& config, const read_options& options, task_config& task,
                   const complaint& complain) {
  finder{config, options, task, complain}.find();
}

} // namespace assay::tasks::lm_eval
