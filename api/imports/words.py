"""What can be wrong with a file, a row or a cell, in the words of whoever must put it right.

A `Flaw` knows what is wrong; the sentences are here, so that no reader of cells speaks a language.
"""

from api.words import Language


class Flaw(Exception):
    """`code` is a key of the sentences, `facts` is what they name.

    `column` is one of our columns, or None when no single one is to blame. `line` counts from 1 as
    an editor does; 0 is the file as a whole.
    """

    def __init__(
        self, code: str, column: str | None = None, /, *, line: int = 0, **facts: object
    ) -> None:
        super().__init__(code)
        self.code = code
        self.column = column
        self.line = line
        self.facts = facts


def sentence(flaw: Flaw, language: Language) -> str:
    return _SENTENCES[language][flaw.code].format(**flaw.facts)


_SENTENCES: dict[Language, dict[str, str]] = {
    "en": {
        "unreadable": "the file cannot be read: {why}",
        "too-big": "the file is larger than {most} MB",
        "too-many-rows": "the file has more than {most} rows",
        "empty": "the file is empty",
        "header-only": "there is a header, and no row under it",
        "nul-byte": "a NUL byte: this is no text (UTF-16? save it as CSV in UTF-8)",
        "broken-utf-8": "a byte that is not UTF-8, in a file that otherwise is",
        "undecodable": "a byte that is neither UTF-8 nor Windows-1251",
        "open-quote": "a quotation mark is opened in this row and never closed",
        "stray-quote": "after a closing quotation mark only a separator or the row's end may stand",
        "long-field": "a field is longer than {most} characters",
        "fields": "{found} fields where the header has {expected}",
        "missing-columns": "required columns are missing: {names}",
        "double-column": "two columns say the same: {names}",
        "mapping-syntax": "the mapping is not valid TOML: {why}",
        "mapping-shape": "{where}: {why}",
        "mapping-columns": "there are no such columns of {rows} to be filled: {names}",
        "mapping-gaps": "the mapping fills none of the required columns {names}",
        "mapping-date": "the mapping's date_format {given} does not tell a whole date",
        "required": "is empty, and must not be",
        "needed-when-won": "is empty, and a deal that is won needs it",
        "needed-when-lost": "is empty, and a deal that is lost needs it",
        "only-when-won": "is filled, but the outcome is not won",
        "only-when-lost": "is filled, but the outcome is not lost",
        "only-when-closed": "is filled, but the deal has no outcome",
        "too-long": "has {found} characters; {most} are allowed",
        "illegible": "contains a control character, or one that cannot be seen",
        "date": "“{given}” is no date such as {example}",
        "date-range": "{given} lies outside {first} to {last}",
        "amount": "“{given}” is no amount such as {example}",
        "amount-range": "“{given}” is not above 0, or is above {most}",
        "currency": "“{given}” is no ISO 4217 currency such as RUB",
        "outcome": "“{given}” is neither won nor lost",
        "manager-ambiguous": "several managers are called “{given}”: write the id ({ids})",
        "manager-taken": "“{given}” would get the id {slug}, which is {other}'s: write an id",
        "manager-no-slug": "no id can be made from “{given}”: write an id of a-z, 0-9 and hyphens",
        "twice-deal": "this deal stands already in {file}, line {other}, with other values",
        "twice-action": "this action stands already in {file}, line {other}, with other values",
        "changed-deal": "this deal was imported before with other values; nothing is overwritten",
        "changed-action": "this action was imported before with other values;"
        " nothing is overwritten",
        "unknown-deal": "deal “{given}” is neither in these files nor was it imported before",
        "refused": "{why}",
        "manager-exists": "a manager {slug} has just been registered by somebody else: try again",
    },
    "ru": {
        "unreadable": "файл не читается: {why}",
        "too-big": "файл больше {most} МБ",
        "too-many-rows": "в файле больше {most} строк",
        "empty": "файл пуст",
        "header-only": "есть заголовок, но под ним нет ни одной строки",
        "nul-byte": "нулевой байт: это не текст (UTF-16? сохраните как CSV в UTF-8)",
        "broken-utf-8": "байт не из UTF-8 в файле, который в остальном в UTF-8",
        "undecodable": "байт, которого нет ни в UTF-8, ни в Windows-1251",
        "open-quote": "в этой строке открыта кавычка, которая нигде не закрыта",
        "stray-quote": "после закрывающей кавычки может стоять только разделитель или конец строки",
        "long-field": "поле длиннее {most} знаков",
        "fields": "полей {found}, а в заголовке {expected}",
        "missing-columns": "нет обязательных столбцов: {names}",
        "double-column": "два столбца об одном и том же: {names}",
        "mapping-syntax": "файл соответствий — не TOML: {why}",
        "mapping-shape": "{where}: {why}",
        "mapping-columns": "среди столбцов {rows} нет таких, чтобы их заполнять: {names}",
        "mapping-gaps": "файл соответствий не заполняет обязательные столбцы {names}",
        "mapping-date": "date_format {given} в файле соответствий не задаёт даты целиком",
        "required": "не заполнено, а должно быть",
        "needed-when-won": "не заполнено, а у выигранной сделки это должно быть",
        "needed-when-lost": "не заполнено, а у проигранной сделки это должно быть",
        "only-when-won": "заполнено, а исход не «выиграна»",
        "only-when-lost": "заполнено, а исход не «проиграна»",
        "only-when-closed": "заполнено, а исхода у сделки нет",
        "too-long": "знаков {found}, а можно не больше {most}",
        "illegible": "есть управляющий или невидимый знак",
        "date": "«{given}» — не дата вида {example}",
        "date-range": "{given} — вне пределов от {first} до {last}",
        "amount": "«{given}» — не сумма вида {example}",
        "amount-range": "«{given}» — не больше нуля или больше {most}",
        "currency": "«{given}» — не валюта по ISO 4217, например RUB",
        "outcome": "«{given}» — ни «выиграна», ни «проиграна»",
        "manager-ambiguous": "менеджеров с именем «{given}» несколько: укажите код ({ids})",
        "manager-taken": "«{given}» получил бы код {slug}, а он занят ({other}): укажите код",
        "manager-no-slug": "из «{given}» код не составить: укажите код из a-z, 0-9 и дефисов",
        "twice-deal": "эта сделка уже есть в {file}, строка {other}, с другими значениями",
        "twice-action": "это действие уже есть в {file}, строка {other}, с другими значениями",
        "changed-deal": "эта сделка уже загружена раньше с другими значениями;"
        " поверх ничего не пишется",
        "changed-action": "это действие уже загружено раньше с другими значениями;"
        " поверх ничего не пишется",
        "unknown-deal": "сделки «{given}» нет ни в этих файлах, ни среди загруженных раньше",
        "refused": "{why}",
        "manager-exists": "менеджера {slug} только что завёл кто-то другой: повторите загрузку",
    },
}
