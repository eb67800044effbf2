#include "config/tree.hpp"

#include <algorithm>

namespace assay::config {

namespace {

/// Takes the next name off the front of @p path: a quoted one, else the longest existing member, else up to a
/// dot.
std::string take_name(const node& parent, std::string_view& path) {
  if (path.starts_with('"')) {
    const auto end = path.find('"', 1);
    const auto name = path.substr(1, end == std::string_view::npos ? end : end - 1);
    path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
    if (path.starts_with('.'))
      path.remove_prefix(1);
    return std::string(name);
  }
  size_t length = 0;
  for (const auto& [name, value] : parent.members)
    if (name.size() > length && path.starts_with(name)
        && (path.size() == name.size() || path[name.size()] == '.'))
      length = name.size();
  if (length == 0)
    length = std::min(path.find('.'), path.size());
  std::string name(path.substr(0, length));
  path.remove_prefix(std::min(length + 1, path.size()));
  return name;
}

} // namespace

std::string to_string(const origin& value) {
  if (!value.source)
    return {};
  return value.line == 0 ? *value.source : *value.source + ":" + std::to_string(value.line);
}

node::node() = default;
node::~node() = default;
node::node(const node&) = default;
node::node(node&&) noexcept = default;
node& node::operator=(const node&) = default;
node& node::operator=(node&&) noexcept = default;

const node* node::find(std::string_view key) const noexcept {
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const auto& member) { return member.first == key; });
  return found == members.end() ? nullptr : &found->second;
}

node* node::find(std::string_view key) noexcept {
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const auto& member) { return member.first == key; });
  return found == members.end() ? nullptr : &found->second;
}

node node::scalar_at(origin where, std::string value) {
  node result;
  result.type = kind::scalar;
  result.text = std::move(value);
  result.lenient = true;
  result.at = std::move(where);
  return result;
}

node node::map_at(origin where) {
  node result;
  result.type = kind::map;
  result.at = std::move(where);
  return result;
}

void merge(node& base, node over) {
  if (!base.is_map() || !over.is_map()) {
    base = std::move(over);
    return;
  }
  for (auto& [name, value] : over.members) {
    if (auto* existing = base.find(name))
      merge(*existing, std::move(value));
    else
      base.members.emplace_back(name, std::move(value));
  }
}

void set_at_path(node& root, std::string_view path, node value) {
  node* here = &root;
  while (true) {
    if (!here->is_map())
      *here = node::map_at(value.at);
    auto name = take_name(*here, path);
    auto* next = here->find(name);
    if (next == nullptr)
      next = &here->members.emplace_back(std::move(name), node::map_at(value.at)).second;
    if (path.empty()) {
      *next = std::move(value);
      return;
    }
    here = next;
  }
}

const node* at_path(const node& root, std::string_view path) noexcept {
  const node* here = &root;
  while (!path.empty()) {
    const auto end = std::min(path.find('.'), path.size());
    here = here->find(path.substr(0, end));
    if (here == nullptr)
      return nullptr;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return here;
}

} // namespace assay::config
