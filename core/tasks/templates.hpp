#pragma once

#include "core/tasks/row_value.hpp"
#include "core/values/errors.hpp"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace assay::tasks {

/// A text with `{field}` places, compiled once. `{a.b}` and `{choices[0]}` reach into objects and arrays; a
/// field whose whole name is `a.b` comes first. `{{` and `}}` are literal braces. Texts are inserted as they
/// are, numbers as written, everything else as JSON.
class text_template {
public:
  text_template() = default;

  /// Fails with errc::template_failed for a brace without its partner or an empty field.
  static result<text_template> compile(std::string_view source);

  /// Fails with errc::template_failed naming a missing field, and in the hint the fields there are.
  result<std::string> render(const row_value& fields) const;

  /// Names of the fields, as written, in order of appearance.
  std::vector<std::string> fields() const;
  /// @returns whether the text is the same for every row.
  bool is_constant() const noexcept { return places_.empty(); }
  const std::string& source() const noexcept { return source_; }

private:
  /// A step into a value: a member's name or an element's index.
  using step = std::variant<std::string, size_t>;
  /// A field with the literal text in front of it.
  struct place {
    std::string before;
    std::string name;
    std::vector<step> steps;
  };

  static result<place> compile_field(std::string_view name);
  static const row_value* find(const row_value& fields, const place& wanted) noexcept;

  std::string source_;
  std::vector<place> places_;
  std::string tail_; ///< Literal text after the last field.
};

} // namespace assay::tasks
