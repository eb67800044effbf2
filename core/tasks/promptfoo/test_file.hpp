#pragma once

#include "core/tasks/data_places.hpp"
#include "core/values/errors.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Test files of promptfoo (https://www.promptfoo.dev/docs/configuration/reference): prompts x tests, judged
/// by assertions. Variables are filled in when the file is read, so nothing of it runs.
namespace assay::tasks::promptfoo {

/// Who is asked, as the file names it.
struct provider {
  std::string id;         ///< Such as `openai:gpt-4o`.
  std::string generation; ///< JSON object text: temperature, max_tokens, ...; `{}` for none.
};

/// One file. Immutable after reading.
struct test_file {
  std::string id;                   ///< The task's: of the file's name, or its folder's.
  std::string description;          ///< May be empty.
  std::vector<std::string> prompts; ///< Names, unique; at least one.
  std::vector<provider> providers;  ///< May be empty.
  std::optional<uint16_t> repeat;
  /// JSON object texts, one for each test and combination of its lists of values: `id`, `vars`, `assert`, and
  /// for prompt number i the conversation `messages_i`, or `error`.
  std::vector<std::string> rows;
  std::vector<std::string> notes; ///< What of the file is left out, for people.
};

/// What reading gives; the file means nothing when there are faults.
struct loaded_test_file {
  test_file file;
  std::vector<fault> faults; ///< Every mistake; `where` is `file:line: key`.
};

inline constexpr size_t most_rows = 20'000;

/// @returns whether @p yaml looks like a test file of promptfoo and not like a task of assay's own. Nothing
/// is parsed, so that broken files are reported by the reader that they are meant for.
bool is_promptfoo(const std::string& yaml);

/// Reads a file that is_promptfoo(). @param root Where everything that it names must lie, symbolic links
/// followed, or in one of the roots of @p places; empty: anywhere.
loaded_test_file read_file(const std::filesystem::path& file, const std::string& yaml,
                           const std::filesystem::path& root, const data_places& places);

/// @returns the name that a provider's model probably has here: `openai:chat:gpt-4o` is `openai/gpt-4o`.
/// Other texts stay as they are. Empty for providers that are no models of a chat: programs, files,
/// embeddings.
std::string model_name_of(std::string_view provider);

} // namespace assay::tasks::promptfoo
