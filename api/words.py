"""The only table from refusals to what a person reads: status, title and detail, in two languages.

Long, because every rule has its sentence twice; it is looked up, not read through. Sentences are
format strings over the facts of the refusal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from api.inputs import Flaw
from domain.errors import Obstacle, Restriction

Language = Literal["ru", "en"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem. Details are format strings over the refusal's facts."""

    status: int
    ru: tuple[str, str]
    en: tuple[str, str]

    def words(self, language: Language) -> tuple[str, str]:
        return self.ru if language == "ru" else self.en


KINDS: Mapping[str, Kind] = {
    "malformed-request": Kind(
        400,
        ("Это не HTTP", "Запрос нельзя прочитать как HTTP. Ничего не записано."),
        ("Not HTTP", "The request cannot be read as HTTP. Nothing was recorded."),
    ),
    "malformed-json": Kind(
        400,
        ("Это не JSON", "Тело запроса не читается как JSON: {why}. Ничего не записано."),
        ("Not JSON", "The body cannot be read as JSON: {why}. Nothing was recorded."),
    ),
    "unknown-host": Kind(
        400,
        (
            "Сервис так не называется",
            "Заголовок Host называет не этот сервис. Обратитесь к нему по имени localhost или по"
            " одному из имён в DEALFOLIO_ALLOWED_HOSTS.",
        ),
        (
            "Not the name of this service",
            "The Host header names another service. Call this one localhost, or by a name that"
            " DEALFOLIO_ALLOWED_HOSTS has.",
        ),
    ),
    "unauthenticated": Kind(
        401,
        (
            "Не представились",
            "Нужен действующий ключ доступа: заголовок Authorization: Bearer <ключ>.",
        ),
        (
            "Not signed in",
            "A valid access key is needed: send the header Authorization: Bearer <key>.",
        ),
    ),
    "forbidden": Kind(
        403,
        ("Нет права", "Эта учётная запись не вправе делать это: {why}"),
        ("Not permitted", "This account may not do that: {why}"),
    ),
    "wrong-password": Kind(
        401,
        ("Войти не удалось", "Логин или пароль не подходит, или учётная запись закрыта."),
        ("Not signed in", "The login or the password is wrong, or the account is closed."),
    ),
    "setup-code-spent": Kind(
        401,
        (
            "Код не действует",
            "Код для выбора пароля уже использован, истёк или отозван. Попросите у администратора"
            " новый.",
        ),
        (
            "The code does not hold",
            "The code for choosing a password was used, has expired or was taken back. Ask an"
            " administrator for a new one.",
        ),
    ),
    "sign-in-broken-off": Kind(
        400,
        (
            "Вход прерван",
            "Этот вход начат не здесь, слишком давно или уже завершён. Начните его заново.",
        ),
        (
            "Sign-in broken off",
            "This sign-in did not begin here, began too long ago, or is finished. Begin again.",
        ),
    ),
    "not-vouched-for": Kind(
        401,
        (
            "Вход не подтверждён",
            "Служба входа {issuer} не подтвердила, кто вы. Начните заново; если не поможет,"
            " обратитесь к администратору.",
        ),
        (
            "Not vouched for",
            "The issuer {issuer} did not confirm who you are. Begin again; if that does not"
            " help, ask an administrator.",
        ),
    ),
    "no-account": Kind(
        403,
        (
            "Нет учётной записи",
            "Служба входа {issuer} знает вас как {subject}, но действующей учётной записи для вас"
            " здесь нет. Передайте это администратору: он заведёт или свяжет её.",
        ),
        (
            "No account",
            "The issuer {issuer} knows you as {subject}, but you have no open account here. Tell an"
            " administrator, who can make or link one.",
        ),
    ),
    "cross-site": Kind(
        403,
        (
            "Запрос с другой страницы",
            "Запрос пришёл не со страницы этой службы или без её ключа X-CSRF-Token. Откройте"
            " страницу заново и повторите.",
        ),
        (
            "Sent by another page",
            "The request did not come from a page of this service, or without its X-CSRF-Token."
            " Open the page again and repeat.",
        ),
    ),
    "issuer-unavailable": Kind(
        503,
        (
            "Служба входа не отвечает",
            "Служба входа {issuer} не отвечает. Повторите через несколько минут.",
        ),
        (
            "The issuer does not answer",
            "The issuer {issuer} does not answer. Try again in a few minutes.",
        ),
    ),
    "not-found": Kind(
        404,
        ("Не найдено", "Здесь нет {thing}. Проверьте адрес и идентификаторы."),
        ("Not found", "There is no {thing} here. Check the address and the ids."),
    ),
    "method-not-allowed": Kind(
        405,
        ("Не тот метод", "По этому адресу такой метод не принимается."),
        ("Method not allowed", "This address does not take that method."),
    ),
    "request-timeout": Kind(
        408,
        (
            "Запрос не пришёл целиком",
            "Запрос не успел прийти за отведённое время. Ничего не записано: повторите его.",
        ),
        (
            "The request did not arrive",
            "The whole of it did not come in time. Nothing was recorded: send it again.",
        ),
    ),
    "version-conflict": Kind(
        412,
        (
            "Данные уже изменились",
            "Заголовок If-Match называет не ту версию: сейчас версия {version}. Прочитайте данные"
            " заново и повторите, если решение остаётся в силе.",
        ),
        (
            "Changed meanwhile",
            "If-Match names another version: it is now at version {version}. Read it again and"
            " repeat the command if you still mean it.",
        ),
    ),
    "batch-refused": Kind(
        409,
        (
            "Из пакета ничего не записано",
            "Отказано командам пакета: {count}. Почему, сказано в refused у каждой под её номером"
            " (с нуля). Исправьте их и отправьте пакет целиком.",
        ),
        (
            "Nothing of the batch was recorded",
            "Commands of the batch that are refused: {count}. Why, is told in refused for each by"
            " its number (from 0). Mend them and send the whole batch again.",
        ),
    ),
    "payload-too-large": Kind(
        413,
        ("Слишком большой запрос", "Тело запроса больше {most} байт. Ничего не записано."),
        ("Too large", "The body is over {most} bytes. Nothing was recorded."),
    ),
    "uri-too-long": Kind(
        414,
        ("Слишком длинный адрес", "Сократите адрес запроса вместе с его параметрами."),
        ("Address too long", "Shorten the address of the request and its parameters."),
    ),
    "head-too-large": Kind(
        431,
        ("Слишком много заголовков", "Сократите заголовки запроса."),
        ("Headers too large", "Shorten the headers of the request."),
    ),
    "unsupported-media-type": Kind(
        415,
        ("Нужен другой тип", "Отправьте тело как {wanted} в UTF-8."),
        ("Another type is needed", "Send the body as {wanted} in UTF-8."),
    ),
    "validation": Kind(
        422,
        ("Неверные данные", "Ничего не записано. Исправьте: {fields}."),
        ("Invalid data", "Nothing was recorded. Correct this: {fields}."),
    ),
    "idempotency-key-reused": Kind(
        422,
        (
            "Ключ уже использован",
            "Под ключом Idempotency-Key {key} раньше пришёл другой запрос. Для новой команды"
            " возьмите новый ключ.",
        ),
        (
            "Key already used",
            "Another request came under the Idempotency-Key {key} before. Use a new key for a new"
            " command.",
        ),
    ),
    "rate-limited": Kind(
        429,
        ("Слишком часто", "Подождите {seconds} с и повторите."),
        ("Too often", "Wait {seconds} s and try again."),
    ),
    "internal": Kind(
        500,
        (
            "Ошибка на нашей стороне",
            "Записано ли что-нибудь, неизвестно: повторите запрос с тем же Idempotency-Key. Если не"
            " поможет, сообщите администратору номер {reference}.",
        ),
        (
            "A fault of ours",
            "Whether anything was recorded is not known: repeat the request with the same"
            " Idempotency-Key. If that does not help, tell the administrator the number"
            " {reference}.",
        ),
    ),
    "unavailable": Kind(
        503,
        (
            "Сейчас ответить нельзя",
            "База данных не отвечает, или запросов слишком много, и подтвердить запись нельзя."
            " Повторите запрос через несколько секунд; с тем же"
            " Idempotency-Key ничего не запишется дважды.",
        ),
        (
            "No answer just now",
            "The database does not answer, or too many ask at once, and nothing could be"
            " confirmed. Repeat the request in a few seconds; with the same"
            " Idempotency-Key nothing is recorded twice.",
        ),
    ),
    "not-allowed-now": Kind(
        409,
        ("Сейчас нельзя", "{why}"),
        ("Not allowed now", "{why}"),
    ),
    "breaks-later-history": Kind(
        409,
        (
            "Противоречит более поздней записи",
            "Сама запись допустима, но тогда станет невозможным событие {type} от {on} (позиция"
            " {position}): {why} Сначала исправьте его или выберите другую дату.",
        ),
        (
            "Contradicts a later entry",
            "The entry itself would do, but it makes {type} of {on} (position {position})"
            " impossible: {why} Correct that one first, or choose another date.",
        ),
    ),
    "before-opening": Kind(
        409,
        (
            "Раньше открытия сделки",
            "Сделка открыта {opened_on}; {given} — раньше. Выберите дату не раньше открытия.",
        ),
        (
            "Before the deal was opened",
            "The deal was opened on {opened_on}; {given} is before that. Choose a date from the"
            " opening on.",
        ),
    ),
    "in-the-future": Kind(
        409,
        (
            "В будущем",
            "{given} ещё не наступило: сейчас {now}. Ни записать, ни спросить о будущем нельзя.",
        ),
        (
            "In the future",
            "{given} has not come yet: it is {now}. Nothing can be recorded or asked of the"
            " future.",
        ),
    ),
    "period-closed": Kind(
        409,
        (
            "Период закрыт",
            "Всё по {closed_through} включительно закрыто, а {given} попадает туда. Запишите"
            " исправление датой открытого месяца или попросите директора открыть период.",
        ),
        (
            "Period closed",
            "Everything up to and including {closed_through} is closed, and {given} lies there."
            " Record the correction in an open month, or ask a director to reopen the period.",
        ),
    ),
    "action-limit-reached": Kind(
        409,
        (
            "Больше нельзя",
            "Предел для действия «{code}» в одной сделке — {max_per_deal}, и он уже достигнут.",
        ),
        (
            "Limit reached",
            "The limit for the action {code} in one deal is {max_per_deal}, and it is reached.",
        ),
    ),
    "unknown-manager": Kind(
        409,
        ("Нет такого менеджера", "Менеджер {manager_id} не заведён. Проверьте идентификатор."),
        ("Unknown manager", "There is no manager {manager_id}. Check the id."),
    ),
    "unknown-action-type": Kind(
        409,
        ("Нет такого вида действий", "В регламенте нет вида действий {code}."),
        ("Unknown action type", "The catalogue has no action type {code}."),
    ),
    "action-type-not-in-force": Kind(
        409,
        (
            "Вид действий не действует",
            "Вид действий {code} на {on} не действует: ещё не введён или уже отменён.",
        ),
        (
            "Action type not in force",
            "The action type {code} is not in force on {on}: not yet, or no longer.",
        ),
    ),
    "evidence-required": Kind(
        409,
        (
            "Нужно подтверждение",
            "Для действия «{code}» нужна ссылка на подтверждающий документ: заполните evidence.",
        ),
        (
            "Evidence required",
            "The action {code} needs a reference to its evidence: fill in evidence.",
        ),
    ),
    "currency-differs": Kind(
        409,
        ("Другая валюта", "Сделка ведётся в {currency}, а не в {given}: валюта не меняется."),
        ("Another currency", "The deal is in {currency}, not {given}: a currency never changes."),
    ),
}

WHY: Mapping[Obstacle, tuple[str, str]] = {
    Obstacle.NOT_OPEN: (
        "на эту дату сделка не открыта для действий.",
        "the deal is not open on that date.",
    ),
    Obstacle.NOT_OPEN_OR_SUSPENDED: (
        "на эту дату сделка уже завершена.",
        "the deal is won or lost on that date.",
    ),
    Obstacle.NOT_SUSPENDED: (
        "на эту дату сделка не приостановлена.",
        "the deal is not suspended on that date.",
    ),
    Obstacle.NOT_CLOSED: (
        "на эту дату сделка не завершена, открывать заново нечего.",
        "the deal is neither won nor lost on that date, so there is nothing to reopen.",
    ),
    Obstacle.ALREADY_OPENED: ("сделка уже открыта.", "the deal is open already."),
    Obstacle.BEFORE_ITS_ACTION: (
        "на эту дату самого действия ещё нет.",
        "the action itself is not there yet on that date.",
    ),
    Obstacle.ACTION_NOT_LIVE: (
        "действие отозвано или отклонено.",
        "the action is withdrawn or rejected.",
    ),
    Obstacle.ACTION_NOT_CLAIMED: (
        "действие не ждёт подтверждения.",
        "the action is not waiting for confirmation.",
    ),
    Obstacle.WEIGHT_NOT_POSITIVE: (
        "меняется только положительный вес, и только на положительный.",
        "only a positive weight can be changed, and only to a positive one.",
    ),
    Obstacle.SAME_OWNER: (
        "этот менеджер и так ведёт сделку.",
        "that manager owns the deal already.",
    ),
    Obstacle.ALREADY_EXISTS: (
        "такое имя уже занято: {name}.",
        "that name is taken already: {name}.",
    ),
    Obstacle.PERIOD_ALREADY_CLOSED: (
        "период {period} уже закрыт.",
        "the period {period} is closed already.",
    ),
    Obstacle.PERIOD_NOT_CLOSED: (
        "период {period} не закрыт.",
        "the period {period} is not closed.",
    ),
    Obstacle.LATER_PERIOD_CLOSED: (
        "закрыт более поздний период {later}: сначала откройте его.",
        "a later period, {later}, is closed: reopen that first.",
    ),
    Obstacle.LAST_ADMIN: (
        "это последняя учётная запись администратора.",
        "this is the last administrator's account.",
    ),
    Obstacle.TARGET_OVER: (
        "дни этой цели прошли {last_day}: что было обещано, больше не меняется. Поставьте цель на"
        " другие дни.",
        "the days of this target were over on {last_day}: what was promised changes no more. Set"
        " one for other days.",
    ),
    Obstacle.ALREADY_FORGOTTEN: (
        "этот человек уже забыт ({name}): имени и почты здесь нет, ничего не изменилось.",
        "this person was forgotten before ({name}): no name and no e-mail is here, and nothing"
        " was changed.",
    ),
}

WHY_NOT_YOU: Mapping[Restriction, tuple[str, str]] = {
    Restriction.ROLE: (
        "для роли {role} это не предусмотрено. Обратитесь к тому, у кого есть право.",
        "the role {role} does not include it. Ask somebody whose role does.",
    ),
    Restriction.NOT_YOUR_DEAL: (
        "менеджер открывает сделки только на себя. Для другого её откроет руководитель.",
        "a manager opens deals for themselves only. A head opens them for others.",
    ),
    Restriction.NOT_YOUR_ACTION: (
        "менеджер записывает только собственные действия. Общее действие запишет руководитель.",
        "a manager records only their own actions. A head records what several did.",
    ),
    Restriction.NOT_YOUR_TEAM: (
        "менеджер сделки или действия сегодня не в вашей команде.",
        "the manager of the deal or action is not in your team today.",
    ),
    Restriction.NO_OWN_CLAIM: (
        "менеджер может отозвать только собственное действие, которое ещё никто не подтвердил;"
        " остальное решает руководитель.",
        "a manager may withdraw only an action of their own that nobody has confirmed yet; the head"
        " decides on everything else.",
    ),
    Restriction.OWN_ACTION: (
        "это ваше собственное действие: о нём решает кто-то другой.",
        "it is your own action: somebody else must decide on it.",
    ),
    Restriction.RAISES_OWN_WEIGHT: (
        "никто не повышает вес собственного действия.",
        "nobody raises the weight of their own action.",
    ),
    Restriction.CREDIT_TO_ONESELF: (
        "никто не передаёт зачтённый вес самому себе.",
        "nobody hands credit to themselves.",
    ),
    Restriction.TOO_FAR_BACK: (
        "менеджер записывает действия не ранее {earliest} (рабочих дней назад: {working_days})."
        " Более раннее запишет руководитель.",
        "a manager dates actions no earlier than {earliest} ({working_days} working days back)."
        " The head records earlier ones.",
    ),
}

FLAWS: Mapping[Flaw, tuple[str, str]] = {
    Flaw.EMPTY: ("оно пустое", "it is empty"),
    Flaw.NOT_UTF_8: ("это не UTF-8", "it is not UTF-8"),
    Flaw.SYNTAX: (
        "ошибка в строке {line}, позиция {column}",
        "there is a mistake in line {line}, column {column}",
    ),
    Flaw.TOO_DEEP: ("слишком много вложенных скобок", "brackets are nested too deep"),
    Flaw.KEY_TWICE: ("один ключ назван в объекте дважды", "an object names a key twice"),
    Flaw.NO_NUMBER: ("NaN и Infinity — не числа", "NaN and Infinity are no numbers"),
    Flaw.LONG_NUMBER: ("число слишком длинное", "a number is too long"),
}

THINGS: Mapping[str, tuple[str, str]] = {
    "deal": ("сделки", "deal"),
    "action": ("действия", "action"),
    "action type": ("вида действий", "action type"),
    "manager": ("менеджера", "manager"),
    "team": ("команды", "team"),
    "account": ("учётной записи", "account"),
    "key": ("ключа", "key"),
    "person": ("менеджера или учётной записи", "manager or account"),
    "period": ("месяца", "month"),
    "closing": ("закрытия месяца", "closing of the month"),
    "import": ("загрузки", "import"),
    "issuer": ("службы входа", "issuer of identities"),
    "target": ("цели", "target"),
    "checkpoint": ("контрольной точки", "checkpoint"),
    "tile": ("части дерева", "tile of the tree"),
}
"""What may not be found; in Russian as it stands after "нет"."""
ANYTHING = ("ничего такого", "such thing")

FIELDS: Mapping[str, tuple[str, str]] = {
    "missing": ("обязательное поле", "is required"),
    "extra_forbidden": ("такого поля нет", "is not a field here"),
    "weight": (
        'вес — проценты от -100 до 100, не ноль, не больше двух знаков: "5.00"',
        'a weight is percent from -100 to 100, not 0, two decimals at most: "5.00"',
    ),
    "amount": (
        'сумма — больше нуля, не больше двух знаков, не больше триллиона: "400000000.00"',
        'an amount is above 0, two decimals and a trillion at most: "400000000.00"',
    ),
    "day": (
        "дата — ГГГГ-ММ-ДД, с 2000 по 2100 год",
        "a date is YYYY-MM-DD, from 2000 to 2100",
    ),
    "business-date": ("дата — ГГГГ-ММ-ДД, с 2000 года", "a date is YYYY-MM-DD, from 2000 on"),
    "instant": (
        "с 2000 по 2100 год: дата ГГГГ-ММ-ДД или момент по RFC 3339 со смещением:"
        " 2026-07-01T09:00:00+03:00",
        "from 2000 to 2100, a date or an RFC 3339 instant with its offset:"
        " 2026-07-01T09:00:00+03:00",
    ),
    "month": ("месяц — ГГГГ-ММ, с 2000 по 2100 год", "a month is YYYY-MM, from 2000 to 2100"),
    "position": ("позиция — целое число от 0", "a position is an integer from 0"),
    "days": (
        "число дней — целое, от {least} до {most}",
        "a number of days is an integer from {least} to {most}",
    ),
    "times": (
        "сколько раз — целое число от {least} до {most}",
        "how many times is an integer from {least} to {most}",
    ),
    "whole": ("целое число от {least} до {most}", "an integer from {least} to {most}"),
    "horizon": ("месяцев — 3, 6 или 12", "months are 3, 6 or 12"),
    "weights": (
        "веса — виды и проценты от -100 до 100, не ноль, через запятую: call:2.50,proposal:4.00",
        "weights are types and percent from -100 to 100, not 0, by commas: call:2.50,proposal:4.00",
    ),
    "weights-twice": ("вид действий назван дважды", "an action type is named twice"),
    "cap": (
        'предел — проценты от 0.01 до 100, не больше двух знаков: "80.00"',
        'a cap is percent from 0.01 to 100, two decimals at most: "80.00"',
    ),
    "no-command": (
        "по этому адресу нет команды, которую можно дать в пакете",
        "is not the address of a command that a batch may have",
    ),
    "makes-no-id": (
        "команда, чей id назван в фигурных скобках, ничего с id не создаёт или сама не принята",
        "the command named in braces makes nothing that has an id, or was itself refused",
    ),
    "is-over": ("этот день уже прошёл", "this day is over"),
    "given-twice": ("параметр указан дважды", "is given twice"),
    "uuid": ("это не UUID", "is not a UUID"),
    "currency": ("код валюты по ISO 4217: RUB", "an ISO 4217 currency code: RUB"),
    "blank": ("не может быть пустым", "cannot be blank"),
    "password-is-name": ("пароль не может быть именем", "must not be a name"),
    "password-common": (
        "такой пароль подбирают первым: возьмите несколько слов",
        "is guessed first: take several words",
    ),
    "login": (
        "логин — до 100 букв и цифр, ещё точка и знаки _@+-",
        "a login has letters, digits, dots and _@+-, 100 at most",
    ),
    "email": (
        "адрес почты — латиницей, до 254 знаков: anna@romashka.ru",
        "an e-mail address is in ASCII, of 254 characters at most: anna@romashka.ru",
    ),
    "path": ("адрес на этом сайте, от косой черты", "must be an address here, from a slash on"),
    "illegible": ("непечатаемый символ", "has an unprintable character"),
    "model_attributes_type": ("нужен объект JSON", "must be a JSON object"),
    "model_type": ("нужен объект JSON", "must be a JSON object"),
    "dict_type": ("нужен объект JSON", "must be a JSON object"),
    "list_type": ("нужен список", "must be a list"),
    "string_type": ("нужен текст", "must be text"),
    "string_unicode": ("недопустимый символ Unicode", "has an invalid Unicode character"),
    "string_too_long": (
        "не длиннее {max_length} символов",
        "must have {max_length} characters at most",
    ),
    "string_too_short": (
        "не короче {min_length} символов",
        "must have {min_length} characters at least",
    ),
    "string_pattern_mismatch": (
        "латинские буквы, цифры, точка, дефис и подчёркивание, до 64 знаков",
        "letters, digits, dots, hyphens and underscores, 64 at most",
    ),
    "bool_type": ("true или false", "must be true or false"),
    "int_type": ("нужно целое число", "must be an integer"),
    "int_parsing": ("нужно целое число", "must be an integer"),
    "greater_than_equal": ("не меньше {ge}", "must be {ge} at least"),
    "less_than_equal": ("не больше {le}", "must be {le} at most"),
    "too_long": ("в списке не больше {max_length}", "must be a list of {max_length} at most"),
    "too_short": ("в списке не меньше {min_length}", "must be a list of {min_length} at least"),
    "literal_error": ("одно из: {expected}", "must be one of {expected}"),
    "enum": ("одно из: {expected}", "must be one of {expected}"),
    "manager-or-credits": (
        "укажите либо manager_id, либо credits",
        "give either manager_id or credits",
    ),
    "one-reports-a-setback": (
        "отрицательное действие сообщает один менеджер",
        "one manager reports a setback",
    ),
    "sum-differs": (
        "веса должны в сумме давать вес по регламенту: {weight}",
        "the weights must sum to the catalogue's weight, {weight}",
    ),
    "sign-differs": (
        "знак каждого веса — как в регламенте: {weight}",
        "every weight must have the sign of the catalogue's, {weight}",
    ),
    "same-manager-twice": ("менеджер назван дважды", "names a manager twice"),
    "known-at-or-position": (
        "укажите либо known_at, либо position",
        "give either known_at or position",
    ),
    "not-in-the-tree": (
        "в дереве этого размера есть позиции от 1 до {size}",
        "a tree of that size has the positions from 1 to {size}",
    ),
    "cosignature": (
        "нужны строки подписей свидетелей под этой контрольной точкой (C2SP tlog-cosignature):"
        " {why}",
        "must be lines of witnesses' signatures under this checkpoint (C2SP tlog-cosignature):"
        " {why}",
    ),
    "from-after-to": ("начало позже конца", "the beginning is after the end"),
    "after-as-of": ("позже, чем as_of", "is after as_of"),
    "too-many-days": ("слишком много дней: не больше {most}", "too many days: {most} at most"),
    "manager-or-team": (
        "укажите либо manager_id, либо team_id",
        "give either manager_id or team_id",
    ),
    "amount-or-number": (
        "для portfolio и gained укажите amount, для actions — number",
        "give amount for portfolio and gained, and number for actions",
    ),
    "too-many-points": ("слишком много точек: не больше {most}", "too many points: {most} at most"),
    "too-many-events": (
        "слишком много событий: не больше {most}",
        "too many events: {most} at most",
    ),
    "cursor": ("такого курсора нет", "there is no such cursor"),
    "idempotency-key": (
        "Idempotency-Key — от 1 до 200 печатных знаков ASCII",
        "an Idempotency-Key has 1 to 200 printable ASCII characters",
    ),
    "role": ("для этой роли нужно указать {needs}", "this role needs {needs}"),
}
OTHERWISE = ("недопустимое значение", "is not valid here")

NOT_WHAT_WAS_CERTIFIED: Mapping[Language, str] = {
    "ru": "Итоги, заверенные при закрытии, больше не следуют из журнала: данные изменены или"
    " повреждены. Что делать: сохраните копию базы и ничего в ней не исправляйте; выполните"
    " dealfolio verify. Если он называет отличия, повреждены проводки: выполните dealfolio"
    " rebuild и спросите ещё раз. Если отличий нет или тревога осталась, изменён сам журнал:"
    " не опирайтесь на эти суммы, сверьте журнал с контрольной точкой или копией, которые"
    " хранились вне базы, и восстановите его из копии.",
    "en": "The totals certified at the closing do not follow from the log any more: data was"
    " changed or damaged. What to do: keep a copy of the database and mend nothing in it; run"
    " dealfolio verify. If it names differences, the ledger is damaged: run dealfolio rebuild"
    " and ask again. If it names none, or the alarm stays, the log itself was changed: do not"
    " rely on these sums, compare the log with a checkpoint or a backup that was kept outside"
    " the database, and restore it from the backup.",
}
"""Beside a closing whose totals are not those of the ledger at its point."""
