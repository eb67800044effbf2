#pragma once

#include "core/values/errors.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace assay::llm {

/// Reads the members of one JSON object of a request. The first thing that is wrong is kept, with the path of
/// its field, and what is read after it does not matter.
class json_object {
public:
  /// @param in What is read; something else than an object is wrong. @param path Of it; empty at the top.
  /// @param wrong Where the first fault goes. All three must outlive this.
  json_object(const nlohmann::json& in, std::string path, std::optional<fault>& wrong);

  /// @returns the member; nothing when it is absent or null.
  const nlohmann::json* find(const char* name);

  void number(const char* name, std::optional<double>& out, double least, double most);
  void count(const char* name, std::optional<uint32_t>& out, uint32_t least, uint32_t most);
  void integer(const char* name, std::optional<int64_t>& out);
  void flag(const char* name, std::optional<bool>& out);
  /// Leaves @p out as it is when the member is absent.
  void flag(const char* name, bool& out);
  void text(const char* name, std::string& out);
  /// A member that has to be there, with something in it.
  void needed_text(const char* name, std::string& out);
  /// One text or a list of texts.
  void texts(const char* name, std::vector<std::string>& out, size_t most);

  /// @returns JSON text of an object with all members that nobody has asked for; empty when there are none.
  std::string rest() const;

  /// @returns `tools[2].function` for the member `function` of what stands at `tools[2]`.
  std::string path_of(std::string_view name) const;

  void refuse(std::string_view name, std::string message, std::string hint = {},
              errc code = errc::invalid_argument);

  std::optional<fault>& wrong() noexcept { return wrong_; }

private:
  const nlohmann::json& in_;
  std::string path_;
  std::optional<fault>& wrong_;
  std::set<std::string, std::less<>> seen_;
};

} // namespace assay::llm
