#include "config/fields.hpp"

#include <nlohmann/json.hpp>

namespace assay::config {

// -- field_lister
// -----------------------------------------------------------------------------------------------------

void field_lister::field(const field_spec& spec, field_target) {
  keys.push_back({path_.back() + std::string(spec.key), std::string(spec.about)});
}

void field_lister::ignored(std::string_view key, std::string_view reason) {
  keys.push_back({path_.back() + std::string(key), "ignored: " + std::string(reason)});
}

bool field_lister::enter(std::string_view key) {
  path_.push_back(path_.back() + std::string(key) + ".");
  return true;
}

void field_lister::leave() { path_.pop_back(); }

std::vector<std::string> field_lister::names(std::vector<std::string>) { return {"<name>"}; }

std::optional<size_t> field_lister::enter_list(std::string_view key, size_t) {
  path_.push_back(path_.back() + std::string(key) + "[].");
  return 1;
}

bool field_lister::enter_item(size_t) {
  path_.push_back(path_.back());
  return true;
}

void field_lister::leave_names() { path_.pop_back(); }

// -- field_dumper
// -----------------------------------------------------------------------------------------------------

namespace {

using nlohmann::json;

/// The form in which one kind of value is shown.
struct shown {
  template <class T>
  json operator()(const T* value) const {
    return *value;
  }
  template <class T>
  json operator()(const std::optional<T>* value) const {
    return *value ? (*this)(&**value) : json(nullptr);
  }
  json operator()(const std::vector<secret>* value) const { return json(value->size(), "***"); }
  json operator()(const secret* value) const { return value->empty() ? json(nullptr) : json("***"); }
  json operator()(const seconds* value) const { return value->count(); }
  json operator()(const milliseconds* value) const {
    return value->count() % 1000 == 0 ? json(value->count() / 1000)
                                      : json(static_cast<double>(value->count()) / 1000.0);
  }
  json operator()(const money* value) const { return to_dollars(*value); }
  json operator()(byte_size value) const { return *value.bytes; }
  json operator()(const open_json* value) const {
    return value->text.empty() ? json::object() : json::parse(value->text, nullptr, false);
  }
  json operator()(exceptions value) const {
    if (value.items->empty())
      return false;
    return *value.items == std::vector<std::string>{"*"} ? json(true) : json(*value.items);
  }
  json operator()(const choice& value) const { return value.get(); }
};

} // namespace

void field_dumper::field(const field_spec& spec, field_target target) {
  (*path_.back())[std::string(spec.key)] = std::visit(shown{}, target);
}

bool field_dumper::enter(std::string_view key) {
  auto& below = (*path_.back())[std::string(key)];
  if (below.is_null())
    below = json::object();
  path_.push_back(&below);
  return true;
}

std::optional<size_t> field_dumper::enter_list(std::string_view key, size_t present) {
  auto& below = (*path_.back())[std::string(key)];
  below = json::array();
  for (size_t i = 0; i < present; ++i)
    below.push_back(json::object());
  path_.push_back(&below);
  return present;
}

bool field_dumper::enter_item(size_t index) {
  path_.push_back(&(*path_.back())[index]);
  return true;
}

} // namespace assay::config
