#include "config/tree.hpp"

#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace assay::config {

namespace {

/// Aliases can make a small file grow without end.
constexpr size_t most_nodes = 200'000;
constexpr int deepest = 64;

constexpr std::string_view merge_key = "<<";

class converter {
public:
  explicit converter(const std::string& source) : source_(std::make_shared<const std::string>(source)) {}

  node convert(const YAML::Node& in, int depth) {
    node out;
    out.at = {source_, in.Mark().line + 1};
    if (!failure.message.empty())
      return out;
    if (depth > deepest || ++count_ > most_nodes)
      return fail(out, depth > deepest ? "the values are nested too deeply" : "the file has too many values");
    switch (in.Type()) {
    case YAML::NodeType::Scalar:
      out.type = node::kind::scalar;
      out.text = in.Scalar();
      // yaml-cpp tags quoted scalars "!", plain ones "?".
      out.quoted = in.Tag() == "!";
      break;
    case YAML::NodeType::Sequence:
      out.type = node::kind::list;
      for (const auto& item : in)
        out.items.push_back(convert(item, depth + 1));
      break;
    case YAML::NodeType::Map:
      out.type = node::kind::map;
      for (const auto& member : in)
        add_member(out, member.first, member.second, depth);
      for (const auto& member : in)
        if (member.first.IsScalar() && member.first.Scalar() == merge_key)
          add_merged(out, convert(member.second, depth + 1));
      break;
    case YAML::NodeType::Null:
    case YAML::NodeType::Undefined:
      break;
    }
    return out;
  }

  node convert(const nlohmann::json& in, int depth = 0) {
    node out;
    out.at = {source_, 0};
    if (!failure.message.empty())
      return out;
    if (depth > deepest || ++count_ > most_nodes)
      return fail(out, depth > deepest ? "the values are nested too deeply" : "there are too many values");
    if (in.is_object()) {
      out.type = node::kind::map;
      for (const auto& [name, value] : in.items())
        out.members.emplace_back(name, convert(value, depth + 1));
    } else if (in.is_array()) {
      out.type = node::kind::list;
      for (const auto& value : in)
        out.items.push_back(convert(value, depth + 1));
    } else if (!in.is_null()) {
      out.type = node::kind::scalar;
      out.quoted = in.is_string();
      out.text = in.is_string() ? in.get<std::string>() : in.dump();
    }
    return out;
  }

  fault failure;

private:
  node fail(node& out, std::string message) {
    failure = {errc::malformed_input, std::move(message), to_string(out.at), ""};
    return out;
  }

  void add_member(node& out, const YAML::Node& key, const YAML::Node& value, int depth) {
    const origin where{source_, key.Mark().line + 1};
    if (!key.IsScalar()) {
      failure = {errc::malformed_input, "a key must be a plain word", to_string(where), ""};
      return;
    }
    if (key.Scalar() == merge_key)
      return;
    if (const auto* existing = out.find(key.Scalar())) {
      failure = {errc::malformed_input, "the key `" + key.Scalar() + "` appears twice", to_string(where),
                 "first in line " + std::to_string(existing->at.line)};
      return;
    }
    auto converted = convert(value, depth + 1);
    // A block starts on the line after its key, but is looked for at the key.
    converted.at.line = where.line;
    out.members.emplace_back(key.Scalar(), std::move(converted));
  }

  /// `<<: *base`: what the map itself says wins.
  static void add_merged(node& out, const node& base) {
    for (const auto& [name, value] : base.members)
      if (out.find(name) == nullptr)
        out.members.emplace_back(name, value);
  }

  std::shared_ptr<const std::string> source_;
  size_t count_ = 0;
};

result<node> finished(converter& from, node tree, const std::string& source) {
  if (!from.failure.message.empty())
    return from.failure;
  if (tree.is_null())
    tree = node::map_at({std::make_shared<const std::string>(source), 1});
  return tree;
}

int line_of(const std::string& text, size_t byte) {
  const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(byte, text.size()));
  return 1 + static_cast<int>(std::count(text.begin(), end, '\n'));
}

result<node> parse_json(const std::string& text, const std::string& source) {
  nlohmann::json document;
  try {
    document = nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    return fault{errc::malformed_input, "not JSON", source + ":" + std::to_string(line_of(text, error.byte)),
                 "JSON wants double quotes and no comma before a closing bracket"};
  }
  // JSON is nearly YAML, and the YAML reader knows the lines.
  if (auto with_lines = parse_yaml(text, source))
    return with_lines;
  return tree_of(document, source);
}

} // namespace

result<node> tree_of(const nlohmann::json& value, const std::string& source) {
  converter from(source);
  auto tree = from.convert(value);
  if (!from.failure.message.empty())
    return from.failure;
  return tree;
}

result<node> parse_yaml(const std::string& text, const std::string& source) {
  try {
    converter from(source);
    auto tree = from.convert(YAML::Load(text), 0);
    return finished(from, std::move(tree), source);
  } catch (const YAML::Exception& error) {
    return fault{errc::malformed_input, "not YAML: " + error.msg,
                 source + ":" + std::to_string(error.mark.line + 1),
                 "indent with spaces; quote texts that contain `: ` or start with a special character"};
  }
}

result<node> parse_file(const std::string& path, const std::string& shown_as) {
  std::error_code ignored;
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path, ignored))
    return fault{errc::not_found, "the configuration file cannot be read", shown_as, ""};
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return path.ends_with(".json") ? parse_json(text, shown_as) : parse_yaml(text, shown_as);
}

} // namespace assay::config
