"""What FastAPI takes by itself: an endpoint that does nothing but know its caller, by a dependency,
as its documentation has it.
"""

import sys
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

TOKEN = sys.argv[2]
app = FastAPI()


def caller(given: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    if given.credentials != TOKEN:
        raise HTTPException(401)
    return given.credentials


@app.get("/v1/nothing")
def nothing(_: Annotated[str, Depends(caller)]) -> dict[str, str]:
    return {}


uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
