#pragma once

#include "config/tree.hpp"
#include "core/values/errors.hpp"
#include "core/values/money.hpp"
#include "core/values/secret.hpp"
#include "core/values/time.hpp"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace assay::config {

/// JSON text of a part of the configuration that is the user's own: any keys, any values.
struct open_json {
  std::string text;
};

/// A number of bytes, written as 65536, "64KiB" or "8MB".
struct byte_size {
  uint64_t* bytes;
};

/// Exceptions from a rule: `false` is none, `true` is everything (`*`), or a list.
struct exceptions {
  std::vector<std::string>* items;
};

/// One of a closed list of words, compared without regard to case.
struct choice {
  std::vector<std::string_view> words;
  std::function<void(std::string_view)> set;
  std::function<std::string_view()> get;
};

/// Where a value goes. The type decides what the file may say.
using field_target = std::variant<bool*, uint16_t*, uint32_t*, double*, std::string*, secret*, seconds*,
                                  milliseconds*, byte_size, std::vector<std::string>*, std::vector<secret>*,
                                  std::optional<bool>*, std::optional<uint32_t>*, std::optional<int64_t>*,
                                  std::optional<double>*, std::optional<money>*, std::optional<seconds>*,
                                  std::optional<milliseconds>*, open_json*, exceptions, choice>;

struct field_spec {
  std::string_view key;
  std::string_view about; ///< One phrase for people.
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
};

/// Walks over the table of a type. The tables (schema.cpp) say once which keys exist, of which type, within
/// which bounds and where they go; reading, listing and showing are visitors.
class field_visitor {
public:
  virtual ~field_visitor() = default;

  virtual void field(const field_spec& spec, field_target target) = 0;

  void field(std::string_view key, std::string_view about, field_target target) {
    field({key, about}, std::move(target));
  }

  template <class T>
  using table = void (*)(field_visitor&, T&);

  /// A nested group of fields.
  template <class T>
  void group(std::string_view key, T& value, table<T> fields) {
    if (!enter(key))
      return;
    fields(*this, value);
    leave();
  }

  /// A map from names of the user's choice to objects that keep their name in `id`.
  template <class T>
  void named(std::string_view key, std::vector<T>& items, table<T> fields) {
    if (!enter(key))
      return;
    std::vector<std::string> present;
    present.reserve(items.size());
    for (const auto& item : items)
      present.push_back(item.id);
    for (const auto& name : names(std::move(present))) {
      T* item = nullptr;
      for (auto& existing : items)
        if (existing.id == name)
          item = &existing;
      if (item == nullptr) {
        item = &items.emplace_back();
        item->id = name;
      }
      if (enter(name)) {
        fields(*this, *item);
        leave();
      }
    }
    leave_names();
  }

  /// A list of objects. What the configuration says replaces what was there.
  template <class T>
  void list(std::string_view key, std::vector<T>& items, table<T> fields) {
    const auto count = enter_list(key, items.size());
    if (!count)
      return;
    if (*count != items.size())
      items.assign(*count, T{});
    for (size_t i = 0; i < items.size(); ++i) {
      if (enter_item(i)) {
        fields(*this, items[i]);
        leave();
      }
    }
    leave_names();
  }

  /// A key that is read and ignored, with the reason.
  virtual void ignored(std::string_view key, std::string_view reason) = 0;

protected:
  /// @returns whether there is anything below @p key; then leave() follows.
  virtual bool enter(std::string_view key) = 0;
  virtual void leave() = 0;
  virtual std::vector<std::string> names(std::vector<std::string> present) = 0;
  /// @returns the length of the list, or nothing when there is none; then leave_names() follows.
  virtual std::optional<size_t> enter_list(std::string_view key, size_t present) = 0;
  virtual bool enter_item(size_t index) = 0;
  virtual void leave_names() = 0;
};

/// @returns a choice over an enumeration whose words are @p words, in the order of its values from 1.
template <class Enum>
choice enum_choice(Enum& target, std::vector<std::string_view> words) {
  return {words,
          [&target, words](std::string_view word) {
            for (size_t i = 0; i < words.size(); ++i)
              if (words[i] == word)
                target = static_cast<Enum>(i + 1);
          },
          [&target, words] { return words.at(static_cast<size_t>(target) - 1); }};
}

/// @returns a choice kept as text.
inline choice word_choice(std::string& target, std::vector<std::string_view> words) {
  return {std::move(words), [&target](std::string_view word) { target = std::string(word); },
          [&target] { return std::string_view(target); }};
}

/// Reads a tree into values. Unknown keys, wrong types and values out of bounds are collected, each with
/// file, line and key path.
class field_reader final : public field_visitor {
public:
  explicit field_reader(const node& root);

  void field(const field_spec& spec, field_target target) override;
  void ignored(std::string_view key, std::string_view reason) override;

  /// Checks the root for unknown keys. @returns everything that is wrong, in the order of the tables.
  std::vector<fault> finish();

  std::vector<std::string> warnings;

protected:
  bool enter(std::string_view key) override;
  void leave() override;
  std::vector<std::string> names(std::vector<std::string> present) override;
  std::optional<size_t> enter_list(std::string_view key, size_t present) override;
  bool enter_item(size_t index) override;
  void leave_names() override;

private:
  struct level {
    const node* at;
    std::string path;
    std::vector<std::string> known;
  };

  std::string path_of(std::string_view key) const;
  void wrong(const node& at, const std::string& path, std::string message, std::string hint = {});
  void check_unknown(const level& here);

  std::vector<level> levels_;
  std::vector<fault> faults_;
};

/// A key that configuration knows.
struct known_key {
  std::string path; ///< `models.<name>.temperature`, `retry.rules[].error`
  std::string about;
};

/// Lists every key of a table.
class field_lister final : public field_visitor {
public:
  void field(const field_spec& spec, field_target target) override;
  void ignored(std::string_view key, std::string_view reason) override;

  std::vector<known_key> keys;

protected:
  bool enter(std::string_view key) override;
  void leave() override;
  std::vector<std::string> names(std::vector<std::string> present) override;
  std::optional<size_t> enter_list(std::string_view key, size_t present) override;
  bool enter_item(size_t index) override;
  void leave_names() override;

private:
  std::vector<std::string> path_{""};
};

/// Shows values as JSON, secrets as ***.
class field_dumper final : public field_visitor {
public:
  explicit field_dumper(nlohmann::json& out) : path_{&out} {}

  void field(const field_spec& spec, field_target target) override;
  void ignored(std::string_view, std::string_view) override {}

protected:
  bool enter(std::string_view key) override;
  void leave() override { path_.pop_back(); }
  std::vector<std::string> names(std::vector<std::string> present) override { return present; }
  std::optional<size_t> enter_list(std::string_view key, size_t present) override;
  bool enter_item(size_t index) override;
  void leave_names() override { path_.pop_back(); }

private:
  std::vector<nlohmann::json*> path_;
};

/// @returns up to three of @p candidates that look like @p wanted, nearest first.
std::vector<std::string> near_names(std::string_view wanted, const std::vector<std::string>& candidates);

/// @returns "did you mean `a` or `b`?", or an empty text when nothing is near.
std::string did_you_mean(std::string_view wanted, const std::vector<std::string>& candidates);

/// Reads a truth value of an environment variable: true, 1, yes, y, on and their opposites, in any case.
std::optional<bool> parse_lenient_bool(std::string_view text);

} // namespace assay::config
