"""What the doctor finds, in words: what it is, how it is, what to do."""

from collections.abc import Callable
from dataclasses import dataclass

from api.words import Language


@dataclass(frozen=True, slots=True)
class Finding:
    """`mend` says what to do; empty where all is well."""

    what: str
    found: str
    mend: str = ""

    @property
    def ok(self) -> bool:
        return not self.mend


_WORDS: dict[str, tuple[str, str]] = {
    "connection": ("connection", "соединение"),
    "unreachable": (
        "check {variable}, and that it runs",
        "проверьте {variable} и работает ли сервер",
    ),
    "standby": ("standby {number}", "реплика {number}"),
    "follows": (
        "knows {last} events; the last came {seconds} s ago",
        "знает событий: {last}; последнее пришло {seconds} с назад",
    ),
    "no-standby": (
        "it is asked nothing: make it a standby again, or leave it out",
        "её ни о чём не спрашивают: снова сделайте её репликой или уберите",
    ),
    "set-on": (
        "set {setting} = on: what was acknowledged can be lost",
        "задайте {setting} = on: подтверждённое может потеряться",
    ),
    "tables": ("tables", "таблицы"),
    "none-yet": ("none yet", "ещё нет"),
    "start-once": (
        "start `dealfolio serve` once: it makes them",
        "запустите `dealfolio serve` один раз: он их создаст",
    ),
    "too-old": (
        "Dealfolio needs PostgreSQL 15 or newer",
        "Dealfolio нужен PostgreSQL 15 или новее",
    ),
    "clock": ("clock", "часы"),
    "skew": ("{seconds} s from the database's", "расходятся с часами базы на {seconds} с"),
    "set-clocks": ("set both clocks by NTP", "сверьте и те, и другие часы по NTP"),
    "migrations": ("migrations", "миграции"),
    "migrate": (
        "start `dealfolio serve` once, for {names}",
        "запустите `dealfolio serve` один раз ради {names}",
    ),
    "newer": (
        "a newer version of Dealfolio made {names}: run that version",
        "{names} — от более новой версии Dealfolio: запускайте её",
    ),
    "account": ("account", "учётная запись"),
    "superuser": (
        "{name}, a superuser (acts as dealfolio_app)",
        "{name}, суперпользователь (действует как dealfolio_app)",
    ),
    "held-back": (
        "no setting holds a superuser back: {sign_in}",
        "суперпользователя не удержит никакая настройка: {sign_in}",
    ),
    "sign-in": (
        "let the service sign in as a member of dealfolio_app alone",
        "пусть сервис входит членом одной лишь роли dealfolio_app",
    ),
    "may-own": (
        "{name}, may become dealfolio_owner, who may lift what protects the log",
        "{name}, может стать dealfolio_owner, а тот — снять защиту журнала",
    ),
    "keep-for-upgrades": (
        "{sign_in}, and keep {name} for upgrades and rebuilds",
        "{sign_in}, а {name} оставьте для обновлений и пересборки",
    ),
    "roles": ("roles", "роли"),
    "no-roles": (
        "dealfolio_owner and dealfolio_app are missing",
        "нет dealfolio_owner и dealfolio_app",
    ),
    "make-roles": (
        "start `dealfolio serve` once as an account that may create roles: it makes them",
        "запустите `dealfolio serve` один раз под записью, которая вправе создавать роли: он их"
        " создаст",
    ),
    "triggers": ("triggers of the log", "триггеры журнала"),
    "refuse-all": (
        "refuse every change, and cannot be skipped",
        "отказывают в любой правке, обойти их нельзя",
    ),
    "switched-off": (
        "somebody has switched them off, or rows were restored by --disable-triggers: as"
        " dealfolio_owner, ALTER TABLE … ENABLE ALWAYS TRIGGER … for each, and find out who it was;"
        " one that is gone comes back with the table, from a backup",
        "кто-то их отключил, или строки восстановили с --disable-triggers: под dealfolio_owner"
        " выполните ALTER TABLE … ENABLE ALWAYS TRIGGER … для каждого и выясните, кто это был;"
        " пропавший вернётся вместе с таблицей из резервной копии",
    ),
    "rights": ("rights on the log", "права на журнал"),
    "append-read": ("append, read", "добавлять, читать"),
    "revoke": ("REVOKE what is named", "отзовите названное (REVOKE)"),
    "owner": ("owner of the log", "владелец журнала"),
    "give-back": (
        "an owner may drop them: ALTER … OWNER TO dealfolio_owner for each",
        "владелец может их удалить: ALTER … OWNER TO dealfolio_owner для каждого",
    ),
    "added": ("added to the log", "добавлено к журналу"),
    "nothing": ("nothing", "ничего"),
    "drop-it": (
        "it has a say in what the log takes or shows: find out who added it, and drop it",
        "это вмешивается в то, что журнал принимает и показывает: выясните, кто это добавил, и"
        " удалите",
    ),
    "powers": ("powers", "полномочия"),
    "no-powers": (
        "none; {owning} may become dealfolio_owner",
        "нет; dealfolio_owner может стать: {owning}",
    ),
    "nobody": ("nobody but superusers", "никто, кроме суперпользователей"),
    "take-away": (
        "it goes round the rights on tables: take it away by ALTER ROLE, REVOKE",
        "это обходит права на таблицы: отнимите его (ALTER ROLE, REVOKE)",
    ),
    "log": ("log", "журнал"),
    "events": ("{number} events", "событий: {number}"),
    "ledger": ("ledger", "проводки"),
    "deals": (
        "{there} of {deals} deals; written with the log, no lag",
        "сделок {there} из {deals}; пишутся вместе с журналом, без отставания",
    ),
    "rebuild": ("run `dealfolio rebuild`", "выполните `dealfolio rebuild`"),
    "tree": ("tree", "дерево журнала"),
    "of-events": ("{size} of {last} events", "событий {size} из {last}"),
    "changed": (
        "the database was changed behind us, or restored: see `Evidence` in the README first",
        "базу изменили в обход сервиса или восстановили: сначала прочтите `Evidence` в README",
    ),
    "follows-while": (
        "it follows while `dealfolio serve` runs; if that does, see its log",
        "дерево растёт, пока работает `dealfolio serve`; если он работает, смотрите его сообщения",
    ),
    "checkpoint": ("checkpoint", "контрольная точка"),
    "signed": ("of {size} events, signed", "событий: {size}, подписана"),
    "signing-key": ("signing key", "ключ подписи"),
    "readable": ("{file} can be read by others", "{file} могут прочесть другие"),
    "elsewhere": ("checkpoints elsewhere", "контрольные точки вне базы"),
    "arrived": (
        "up to {arrived} events; {behind} are on the way",
        "до события {arrived}; в пути: {behind}",
    ),
    "digest": ("weekly digest", "недельная сводка"),
    "brought": (
        "of the week from {week}: arrived at {arrived} of {wanted}, tries: {tries}",
        "за неделю с {week}: дошла {arrived} из {wanted}, попыток: {tries}",
    ),
    "see-the-log": (
        "see what hinders it in the service's log",
        "что мешает, сказано в сообщениях сервиса",
    ),
}
"""In English and in Russian. Settings have one name, and the database says what it says."""


Say = Callable[..., str]


def sayer(language: Language) -> Say:
    """Says a word of the table, with its facts."""
    place = 1 if language == "ru" else 0
    return lambda word, **facts: _WORDS[word][place].format(**facts)
