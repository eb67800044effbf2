#include "config/environment.hpp"

#include "config/document.hpp"
#include "config/providers.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace assay::config {

namespace {

namespace fs = std::filesystem;

struct plain_name {
  std::string_view variable;
  std::string_view path;
};

/// Names without the prefix ASSAY_ that other systems made customary. Of two for one key the later wins.
constexpr std::array<plain_name, 13> plain_names{{
    {"PORT", "server.port"},
    {"LOG_LEVEL", "logging.level"},
    {"DATA_DIR", "storage.data_dir"},
    {"CACHE_DIR", "cache_dir"},
    {"RESULTS_DIR", "results_dir"},
    {"HTTPS_PROXY", "network.https_proxy"},
    {"https_proxy", "network.https_proxy"},
    {"http_proxy", "network.http_proxy"},
    {"NO_PROXY", "network.no_proxy"},
    {"no_proxy", "network.no_proxy"},
    {"GOOGLE_API_KEY", "providers.gemini.api_key"},
    {"GOOGLE_API_KEYS", "providers.gemini.api_keys"},
    {"ASSAY_ADMIN_PASSWORD", "auth.admin_password"},
}};

/// ASSAY_ names that are not keys of the configuration.
constexpr std::array<std::string_view, 9> own_names{
    "ASSAY_ENV",          "ASSAY_CONFIG_DIR",       "ASSAY_MOCK_URL",
    "ASSAY_TOKEN",        "ASSAY_ADMIN_PASSWORD",   "ASSAY_PASSWORD",
    "ASSAY_NEW_PASSWORD", master_password_variable, master_password_file_variable};

constexpr std::string_view prefix = "ASSAY_";

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// The value of a variable as the file format would say it; [ and { begin YAML.
node to_node(const std::string& text, const std::string& source) {
  const origin at{std::make_shared<const std::string>(source), 0};
  if (text.starts_with('[') || text.starts_with('{'))
    if (auto parsed = parse_yaml(text, source))
      return std::move(*parsed);
  return node::scalar_at(at, text);
}

/// Names of variables have neither dots nor hyphens: `GPT_3_5_TURBO` means the existing key `gpt-3.5-turbo`.
std::string existing_name(const node* parent, const std::string& word) {
  if (parent == nullptr)
    return word;
  const auto plain = [](std::string_view name) {
    auto out = lower(name);
    std::replace_if(
        out.begin(), out.end(), [](char c) { return !is_name_char(c); }, '_');
    return out;
  };
  for (const auto& [name, value] : parent->members)
    if (plain(name) == word)
      return name;
  return word;
}

/// SERVER__TLS__CERT -> the path "server"."tls"."cert".
std::string path_of_variable(const node& tree, std::string_view name) {
  std::string path;
  const node* here = &tree;
  while (!name.empty()) {
    const auto end = std::min(name.find("__"), name.size());
    const auto word = existing_name(here, lower(name.substr(0, end)));
    path += (path.empty() ? "\"" : ".\"") + word + "\"";
    here = here == nullptr ? nullptr : here->find(word);
    name.remove_prefix(std::min(end + 2, name.size()));
  }
  return path;
}

std::vector<std::string> provider_ids(const node& tree) {
  std::vector<std::string> ids;
  for (const auto& builtin : builtin_providers())
    ids.emplace_back(builtin.id);
  if (const auto* configured = tree.find("providers"))
    for (const auto& [name, value] : configured->members)
      if (std::find(ids.begin(), ids.end(), name) == ids.end())
        ids.push_back(name);
  return ids;
}

void apply_one(node& tree, const variables& from, std::string_view name, std::string_view path) {
  if (const auto found = from.find(name))
    set_at_path(tree, path, to_node(found->value, found->source));
}

std::vector<std::string> top_level_keys() {
  std::vector<std::string> keys;
  for (const auto& known : known_keys()) {
    auto first = known.path.substr(0, known.path.find_first_of(".["));
    if (keys.empty() || keys.back() != first)
      keys.push_back(std::move(first));
  }
  return keys;
}

/// DEBUG belongs to everybody; other programs' values must not stop this one.
void apply_debug(node& tree, const variables& from, std::vector<std::string>& warnings) {
  const auto found = from.find("DEBUG");
  if (!found)
    return;
  if (parse_lenient_bool(found->value))
    apply_one(tree, from, "DEBUG", "debug");
  else
    warnings.push_back(found->source + " is ignored: it is neither true nor false");
}

void apply_prefixed(node& tree, const variables& from, std::vector<std::string>& warnings) {
  const auto top_level = top_level_keys();
  for (const auto name : {master_password_variable, master_password_file_variable})
    if (const auto found = from.find(name); found && !found->source.starts_with("environment"))
      warnings.push_back(found->source + " is ignored: it counts only in the environment itself");
  for (const auto& name : from.names()) {
    if (!name.starts_with(prefix) || std::find(own_names.begin(), own_names.end(), name) != own_names.end())
      continue;
    const auto rest = std::string_view(name).substr(prefix.size());
    // With two underscores it can only be meant for us; otherwise it may be somebody else's.
    const bool is_path = rest.find("__") != std::string_view::npos;
    const auto word = lower(rest);
    if (!is_path && std::find(top_level.begin(), top_level.end(), word) == top_level.end()) {
      auto hint = did_you_mean(word, top_level);
      warnings.push_back(from.find(name)->source + " names no setting and is ignored"
                         + (hint.empty() ? "; groups and keys are joined by two underscores" : "; " + hint));
      continue;
    }
    apply_one(tree, from, name, path_of_variable(tree, rest));
  }
}

} // namespace

environment_map parse_dotenv(std::string_view text, std::vector<int>& skipped) {
  environment_map out;
  int number = 0;
  const auto trim = [](std::string_view& part) {
    while (!part.empty() && (part.front() == ' ' || part.front() == '\t'))
      part.remove_prefix(1);
    while (!part.empty() && (part.back() == ' ' || part.back() == '\t' || part.back() == '\r'))
      part.remove_suffix(1);
  };
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    trim(line);
    if (line.empty() || line.front() == '#')
      continue;
    if (line.starts_with("export "))
      line.remove_prefix(7);
    const auto equals = line.find('=');
    auto name = line.substr(0, equals);
    trim(name);
    if (equals == std::string_view::npos || name.empty()
        || !std::all_of(name.begin(), name.end(), is_name_char)) {
      skipped.push_back(number);
      continue;
    }
    auto value = line.substr(equals + 1);
    trim(value);
    const char quote = value.empty() ? ' ' : value.front();
    if ((quote == '"' || quote == '\'') && value.find(quote, 1) != std::string_view::npos)
      value = value.substr(1, value.find(quote, 1) - 1);
    else if (const auto comment = value.find(" #"); comment != std::string_view::npos)
      value = value.substr(0, comment);
    trim(value);
    out[std::string(name)] = std::string(value);
  }
  return out;
}

variables::variables(const load_request& request) {
  for (const auto& [name, value] : request.environment)
    if (!value.empty())
      by_name_[name] = {value, "environment variable " + name};
  if (!request.read_dotenv)
    return;
  std::vector<fs::path> candidates{fs::path(request.working_dir) / ".env",
                                   fs::path(request.working_dir) / ".." / ".env"};
  auto home = request.home_dir;
  if (const auto found = request.environment.find("HOME"); home.empty() && found != request.environment.end())
    home = found->second;
  if (!home.empty())
    candidates.push_back(fs::path(home) / ".datapresso" / ".env");
  for (const auto& candidate : candidates) {
    std::error_code ignored;
    if (!fs::is_regular_file(candidate, ignored))
      continue;
    std::ifstream file(candidate, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    dotenv_file = candidate.lexically_normal().string();
    std::vector<int> skipped;
    for (auto& [name, value] : parse_dotenv(text, skipped))
      if (!value.empty() && !by_name_.contains(name))
        by_name_[name] = {value, name + " in " + dotenv_file};
    for (const auto line : skipped)
      warnings.push_back(dotenv_file + ":" + std::to_string(line) + " is not NAME=value and is ignored");
    return;
  }
}

std::optional<variable> variables::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end())
    return std::nullopt;
  return found->second;
}

std::string variables::value(std::string_view name) const {
  const auto found = find(name);
  return found ? found->value : std::string{};
}

std::vector<std::string> variables::names() const {
  std::vector<std::string> out;
  for (const auto& [name, value] : by_name_)
    out.push_back(name);
  return out;
}

namespace {

struct placeholder {
  size_t begin = std::string_view::npos;
  size_t end = 0; ///< Behind the closing brace.
  std::string_view name;
};

placeholder next_placeholder(std::string_view text, size_t from) {
  while (true) {
    const auto begin = text.find("${", from);
    if (begin == std::string_view::npos)
      return {};
    auto end = begin + 2;
    while (end < text.size() && is_name_char(text[end]))
      ++end;
    if (end < text.size() && text[end] == '}' && end > begin + 2)
      return {begin, end + 1, text.substr(begin + 2, end - begin - 2)};
    from = begin + 2;
  }
}

} // namespace

bool has_placeholder(std::string_view text) noexcept {
  return next_placeholder(text, 0).begin != std::string_view::npos;
}

void substitute(node& tree, const variables& from) {
  for (auto& item : tree.items)
    substitute(item, from);
  for (auto& [name, member] : tree.members)
    substitute(member, from);
  if (tree.type != node::kind::scalar)
    return;
  std::string out;
  size_t done = 0;
  const std::string_view text = tree.text;
  for (auto found = next_placeholder(text, 0); found.begin != std::string_view::npos;
       found = next_placeholder(text, found.end)) {
    const auto replacement = from.find(found.name);
    if (!replacement)
      continue;
    out.append(text, done, found.begin - done).append(replacement->value);
    done = found.end;
    tree.lenient = true;
  }
  if (done != 0)
    tree.text = out.append(text, done, text.size() - done);
}

result<void> apply_environment(node& tree, const variables& from, std::vector<std::string>& warnings) {
  if (const auto found = from.find("DB_URL"))
    return fault{errc::malformed_input,
                 "DB_URL is set, but assay keeps its data in a store of its own, not in SQLite or "
                 "PostgreSQL",
                 found->source, "unset DB_URL; DATA_DIR says where the store is"};
  for (const auto& [name, path] : plain_names)
    apply_one(tree, from, name, path);
  apply_debug(tree, from, warnings);
  for (const auto& id : provider_ids(tree)) {
    apply_one(tree, from, key_variable(id), "providers.\"" + id + "\".api_key");
    apply_one(tree, from, keys_variable(id), "providers.\"" + id + "\".api_keys");
  }
  for (const auto& builtin : builtin_providers())
    apply_one(tree, from, builtin.url_variable, "providers." + std::string(builtin.id) + ".base_url");
  apply_prefixed(tree, from, warnings);
  return {};
}

} // namespace assay::config
